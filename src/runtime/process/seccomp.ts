/**
 * `RuntimeDefault` as a classic BPF program (seccomp(2)): calls that no ordinary workload makes and that reach much kernel, or
 * out of the sandbox, answer EPERM. Container runtimes list what is allowed; here the image is any program of the host, so what is
 * refused is listed, and it is what their default profiles refuse without extra capabilities.
 *
 *   load arch ─ other ─▶ ENOSYS
 *   load nr ── in table ─▶ EPERM          clone3 ─▶ ENOSYS (its flags are in memory, where a filter cannot look; libc then uses clone)
 *   clone, unshare with a CLONE_NEW* flag ─▶ EPERM
 *   personality other than the usual ─▶ EPERM
 *   otherwise allow
 *
 * `setns` stays allowed: `exec` enters the container under this filter, and without CAP_SYS_ADMIN it opens nothing.
 */
interface Architecture {
  /** AUDIT_ARCH_*: linux/audit.h. */
  readonly audit: number;
  readonly clone: number;
  readonly clone3: number;
  readonly unshare: number;
  readonly personality: number;
  /** Numbers at or above this are another ABI (x32 on x86-64). */
  readonly foreignFrom: number | undefined;
  readonly denied: Readonly<Record<string, number>>;
}

/** From arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    clone: 56,
    clone3: 435,
    unshare: 272,
    personality: 135,
    foreignFrom: 0x40000000,
    denied: {
      pivot_root: 155,
      _sysctl: 156,
      adjtimex: 159,
      acct: 163,
      settimeofday: 164,
      mount: 165,
      umount2: 166,
      swapon: 167,
      swapoff: 168,
      reboot: 169,
      iopl: 172,
      ioperm: 173,
      create_module: 174,
      init_module: 175,
      delete_module: 176,
      get_kernel_syms: 177,
      query_module: 178,
      quotactl: 179,
      nfsservctl: 180,
      lookup_dcookie: 212,
      clock_settime: 227,
      vserver: 236,
      mbind: 237,
      set_mempolicy: 238,
      get_mempolicy: 239,
      kexec_load: 246,
      add_key: 248,
      request_key: 249,
      keyctl: 250,
      migrate_pages: 256,
      move_pages: 279,
      perf_event_open: 298,
      fanotify_init: 300,
      open_by_handle_at: 304,
      clock_adjtime: 305,
      kcmp: 312,
      finit_module: 313,
      kexec_file_load: 320,
      bpf: 321,
      userfaultfd: 323,
      io_uring_setup: 425,
      io_uring_enter: 426,
      io_uring_register: 427,
      open_tree: 428,
      move_mount: 429,
      fsopen: 430,
      fsconfig: 431,
      fsmount: 432,
      fspick: 433,
      mount_setattr: 442,
      quotactl_fd: 443,
      modify_ldt: 154,
      vhangup: 153,
      syslog: 103,
      ustat: 136,
      sysfs: 139,
      uselib: 134,
    },
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    clone3: 435,
    unshare: 97,
    personality: 92,
    foreignFrom: undefined,
    denied: {
      lookup_dcookie: 18,
      umount2: 39,
      mount: 40,
      pivot_root: 41,
      nfsservctl: 42,
      vhangup: 58,
      quotactl: 60,
      acct: 89,
      kexec_load: 104,
      init_module: 105,
      delete_module: 106,
      clock_settime: 112,
      syslog: 116,
      reboot: 142,
      settimeofday: 170,
      adjtimex: 171,
      add_key: 217,
      request_key: 218,
      keyctl: 219,
      swapon: 224,
      swapoff: 225,
      mbind: 235,
      get_mempolicy: 236,
      set_mempolicy: 237,
      migrate_pages: 238,
      move_pages: 239,
      perf_event_open: 241,
      fanotify_init: 262,
      open_by_handle_at: 265,
      clock_adjtime: 266,
      kcmp: 272,
      finit_module: 273,
      bpf: 280,
      userfaultfd: 282,
      kexec_file_load: 294,
      io_uring_setup: 425,
      io_uring_enter: 426,
      io_uring_register: 427,
      open_tree: 428,
      move_mount: 429,
      fsopen: 430,
      fsconfig: 431,
      fsmount: 432,
      fspick: 433,
      mount_setattr: 442,
      quotactl_fd: 443,
    },
  },
};

/** CLONE_NEWTIME | NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET: linux/sched.h. */
const NEW_NAMESPACE_FLAGS = 0x7e020080;
/** CLONE_NEWTIME shares its bit with the exit signal of `clone`, where it means nothing. */
const NEW_NAMESPACE_FLAGS_OF_CLONE = 0x7e020000;
/** PER_LINUX, PER_LINUX32, UNAME26, both, and the question. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

const ALLOW = 0x7fff0000;
const errno = (code: number): number => 0x00050000 | code;
const EPERM = errno(1);
const ENOSYS = errno(38);

// linux/bpf_common.h
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
// struct seccomp_data { int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]; }
const OFFSET_NUMBER = 0;
const OFFSET_ARCHITECTURE = 4;
const OFFSET_FIRST_ARGUMENT = 16;

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number];

function program(arch: Architecture): Instruction[] {
  const out: Instruction[] = [
    [LOAD, 0, 0, OFFSET_ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, arch.audit],
    [RETURN, 0, 0, ENOSYS],
    [LOAD, 0, 0, OFFSET_NUMBER],
  ];
  const when = (test: number, value: number, verdict: number): void => {
    out.push([test, 0, 1, value], [RETURN, 0, 0, verdict]);
  };
  if (arch.foreignFrom !== undefined) when(JUMP_GREATER_OR_EQUAL, arch.foreignFrom, ENOSYS);
  when(JUMP_EQUAL, arch.clone3, ENOSYS);
  for (const number of Object.values(arch.denied)) when(JUMP_EQUAL, number, EPERM);
  for (const [number, flags] of [
    [arch.clone, NEW_NAMESPACE_FLAGS_OF_CLONE],
    [arch.unshare, NEW_NAMESPACE_FLAGS],
  ] as const) {
    out.push([JUMP_EQUAL, 0, 4, number], [LOAD, 0, 0, OFFSET_FIRST_ARGUMENT]);
    when(JUMP_ANY_BIT, flags, EPERM);
    out.push([RETURN, 0, 0, ALLOW]);
  }
  out.push([JUMP_EQUAL, 0, PERSONALITIES.length * 2 + 2, arch.personality], [LOAD, 0, 0, OFFSET_FIRST_ARGUMENT]);
  for (const value of PERSONALITIES) when(JUMP_EQUAL, value, ALLOW);
  out.push([RETURN, 0, 0, EPERM], [RETURN, 0, 0, ALLOW]);
  return out;
}

/** The program's bytes, `struct sock_filter` after `struct sock_filter`, as bubblewrap takes them; undefined on other machines. */
export function runtimeDefaultFilter(architecture: string): Buffer | undefined {
  const arch = ARCHITECTURES[architecture];
  if (arch === undefined) return undefined;
  const instructions = program(arch);
  const bytes = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, whenTrue, whenFalse, operand], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(whenTrue, index * 8 + 2);
    bytes.writeUInt8(whenFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  });
  return bytes;
}
