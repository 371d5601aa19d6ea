// The names of a hart's registers.
#pragma once

#include <array>
#include <string_view>

#include "base/hypervisor.hpp"

namespace rvvmm {

namespace detail {
// In the order of HartRegister: RISC-V ABIs Specification, "Integer Register Convention"; privileged and vector
// specifications; AIA 1.0. KVM's own registers (mode and the timer's) have no standard names.
inline constexpr std::array<std::string_view, static_cast<size_t>(HartRegister::kCount)> kHartRegisterNames{
    "pc",      "ra",   "sp",         "gp",      "tp",       "t0",     "t1",       "t2",     "s0",     "s1",
    "a0",      "a1",   "a2",         "a3",      "a4",       "a5",     "a6",       "a7",     "s2",     "s3",
    "s4",      "s5",   "s6",         "s7",      "s8",       "s9",     "s10",      "s11",    "t3",     "t4",
    "t5",      "t6",   "mode",       "sstatus", "sie",      "stvec",  "sscratch", "sepc",   "scause", "stval",
    "sip",     "satp", "scounteren", "senvcfg", "siselect", "iprio1", "iprio2",   "sieh",   "siph",   "iprio1h",
    "iprio2h", "time", "stimecmp",   "timer",   "fcsr",     "f0",     "f1",       "f2",     "f3",     "f4",
    "f5",      "f6",   "f7",         "f8",      "f9",       "f10",    "f11",      "f12",    "f13",    "f14",
    "f15",     "f16",  "f17",        "f18",     "f19",      "f20",    "f21",      "f22",    "f23",    "f24",
    "f25",     "f26",  "f27",        "f28",     "f29",      "f30",    "f31",      "vstart", "vl",     "vtype",
    "vcsr",    "vlenb"};
}  // namespace detail

constexpr std::string_view name_of(HartRegister reg) noexcept {
  return detail::kHartRegisterNames[static_cast<size_t>(reg)];
}
static_assert(name_of(HartRegister::kX31) == "t6" && name_of(HartRegister::kSatp) == "satp" &&
              name_of(HartRegister::kIprio2h) == "iprio2h" && name_of(HartRegister::kF31) == "f31" &&
              name_of(HartRegister::kVlenb) == "vlenb");

inline constexpr uint32_t kIntegerRegisters = 32;
/// x0 to x31, by number. HartRegister has no x0; its name is "zero".
constexpr std::string_view integer_register_name(uint32_t number) noexcept {
  return number == 0 ? "zero" : name_of(x(number));
}

}  // namespace rvvmm
