// The floor under every VMM: one vCPU, one memory slot, and a loop that answers every exit with a constant.
// floor BLOB MIB [aia [off|thp|2M [prefault]]]: runs a headerless guest at RAM base + 2 MiB, without a device tree. Of
// what pages its RAM is: without a word, what the host gives.
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/mman.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kRamBase = 0x80000000u, kEntry = 0x200000, kHuge = 0x200000, kImsic = 0x28000000, kAplic = 0x0d000000 };

static int must(int result, const char* what) {
  if (result < 0) err(1, "%s", what);
  return result;
}

static void set_register(int vcpu, uint64_t id, uint64_t value) {
  struct kvm_one_reg reg = {.id = KVM_REG_RISCV | KVM_REG_SIZE_U64 | id, .addr = (uintptr_t)&value};
  must(ioctl(vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

static void set_aia(int device, uint32_t group, uint64_t attribute, uint64_t value) {
  struct kvm_device_attr attr = {.group = group, .attr = attribute, .addr = (uintptr_t)&value};
  must(ioctl(device, KVM_SET_DEVICE_ATTR, &attr), "KVM_SET_DEVICE_ATTR");
}

static void set_up_aia(int vm) {
  struct kvm_create_device aia = {.type = KVM_DEV_TYPE_RISCV_AIA};
  must(ioctl(vm, KVM_CREATE_DEVICE, &aia), "KVM_CREATE_DEVICE");
  set_aia(aia.fd, KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_SRCS, 63);
  set_aia(aia.fd, KVM_DEV_RISCV_AIA_GRP_ADDR, KVM_DEV_RISCV_AIA_ADDR_APLIC, kAplic);
  set_aia(aia.fd, KVM_DEV_RISCV_AIA_GRP_ADDR, 1, kImsic);
  set_aia(aia.fd, KVM_DEV_RISCV_AIA_GRP_CTRL, KVM_DEV_RISCV_AIA_CTRL_INIT, 0);
}

static char* map_ram(size_t size, const char* pages, int populate) {
  if (strcmp(pages, "2M") == 0) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB;
    char* ram = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | (populate ? MAP_POPULATE : 0), -1, 0);
    if (ram == MAP_FAILED) err(1, "huge pages of 2 MiB");
    return ram;
  }
  char* ram =
      mmap(NULL, size + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ram == MAP_FAILED) err(1, "guest RAM");
  ram += -(uintptr_t)ram % kHuge;
  must(madvise(ram, size, strcmp(pages, "thp") == 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), "madvise");
  if (populate) must(madvise(ram, size, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
  return ram;
}

int main(int argc, char** argv) {
  if (argc < 3) errx(2, "usage: floor BLOB MIB [aia]");
  const size_t size = strtoul(argv[2], NULL, 10) << 20;
  int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  char* ram = argc > 4 ? map_ram(size, argv[4], argc > 5)
                       : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  struct kvm_userspace_memory_region slot = {
      .guest_phys_addr = kRamBase, .memory_size = size, .userspace_addr = (uintptr_t)ram};
  must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
  must(read(must(open(argv[1], O_RDONLY), argv[1]), ram + kEntry, size - kEntry), argv[1]);
  int vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
  struct kvm_run* run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  set_register(vcpu, KVM_REG_RISCV_SBI_EXT | KVM_REG_RISCV_SBI_SINGLE | KVM_RISCV_SBI_EXT_DBCN, 1);
  set_register(vcpu, KVM_REG_RISCV_CORE | KVM_REG_RISCV_CORE_REG(regs.pc), kRamBase + kEntry);
  if (argc > 3) set_up_aia(vm);
  while (ioctl(vcpu, KVM_RUN, 0) == 0 && run->exit_reason != KVM_EXIT_SYSTEM_EVENT) {
    if (run->exit_reason == KVM_EXIT_MMIO) {
      memset(run->mmio.data, 0x60, sizeof run->mmio.data);
    } else if (run->exit_reason == KVM_EXIT_RISCV_SBI) {
      run->riscv_sbi.ret[0] = 0;
      run->riscv_sbi.ret[1] = 64;  // what the 64-byte write expects
    }
  }
  return run->exit_reason == KVM_EXIT_SYSTEM_EVENT ? 0 : 1;
}
