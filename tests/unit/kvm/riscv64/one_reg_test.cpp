#include "kvm/riscv64/one_reg.hpp"

#include <gtest/gtest.h>

#include <set>

namespace rvvmm::one_reg_test {
namespace {

using one_reg::id_of;

constexpr uint64_t kU64 = KVM_REG_RISCV | KVM_REG_SIZE_U64;

uint64_t raw(HartRegister reg) {
  return static_cast<uint64_t>(id_of(reg));
}

TEST(OneReg, HasTheIdsOfKvm) {
  EXPECT_EQ(raw(HartRegister::kPc), kU64 | KVM_REG_RISCV_CORE | KVM_REG_RISCV_CORE_REG(regs.pc));
  EXPECT_EQ(raw(kA0), kU64 | KVM_REG_RISCV_CORE | KVM_REG_RISCV_CORE_REG(regs.a0));
  EXPECT_EQ(raw(x(31)), kU64 | KVM_REG_RISCV_CORE | KVM_REG_RISCV_CORE_REG(regs.t6));
  EXPECT_EQ(raw(HartRegister::kMode), kU64 | KVM_REG_RISCV_CORE | KVM_REG_RISCV_CORE_REG(mode));
  EXPECT_EQ(raw(HartRegister::kSstatus), kU64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_REG(sstatus));
  EXPECT_EQ(raw(HartRegister::kSatp), kU64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_REG(satp));
  EXPECT_EQ(raw(HartRegister::kSenvcfg), kU64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_REG(senvcfg));
  EXPECT_EQ(raw(HartRegister::kSiselect),
            kU64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_AIA | KVM_REG_RISCV_CSR_AIA_REG(siselect));
  EXPECT_EQ(raw(HartRegister::kIprio2h),
            kU64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_AIA | KVM_REG_RISCV_CSR_AIA_REG(iprio2h));
  EXPECT_EQ(raw(HartRegister::kTimerState), kU64 | KVM_REG_RISCV_TIMER | KVM_REG_RISCV_TIMER_REG(state));
  EXPECT_EQ(raw(HartRegister::kFcsr), KVM_REG_RISCV | KVM_REG_SIZE_U32 | KVM_REG_RISCV_FP_D | 32);
  EXPECT_EQ(raw(f(31)), kU64 | KVM_REG_RISCV_FP_D | 31);
  EXPECT_EQ(raw(HartRegister::kVstart), kU64 | KVM_REG_RISCV_VECTOR | KVM_REG_RISCV_VECTOR_CSR_REG(vstart));
  EXPECT_EQ(raw(HartRegister::kVcsr), kU64 | KVM_REG_RISCV_VECTOR | KVM_REG_RISCV_VECTOR_CSR_REG(vcsr));
  EXPECT_EQ(raw(HartRegister::kVlenb), kU64 | KVM_REG_RISCV_VECTOR | KVM_REG_RISCV_VECTOR_CSR_REG(vlenb));
}

TEST(OneReg, AnIdTellsTheSizeOfAVectorRegister) {
  const auto raw_vector = [](uint32_t number, size_t vlenb) {
    return static_cast<uint64_t>(one_reg::vector(v(number), vlenb));
  };
  EXPECT_EQ(raw_vector(0, 16), KVM_REG_RISCV | KVM_REG_SIZE_U128 | KVM_REG_RISCV_VECTOR | 6);
  EXPECT_EQ(raw_vector(31, 256), KVM_REG_RISCV | KVM_REG_SIZE_U2048 | KVM_REG_RISCV_VECTOR | 37);
  EXPECT_EQ(raw_vector(1, kMaxVlenb), KVM_REG_RISCV | 13UL << KVM_REG_SIZE_SHIFT | KVM_REG_RISCV_VECTOR | 7);
}

TEST(OneReg, NoTwoRegistersShareAnId) {
  std::set<uint64_t> ids;
  for (size_t i = 0; i < static_cast<size_t>(HartRegister::kCount); ++i)
    EXPECT_TRUE(ids.insert(raw(static_cast<HartRegister>(i))).second) << i;
}

}  // namespace
}  // namespace rvvmm::one_reg_test
