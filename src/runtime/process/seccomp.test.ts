import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runtimeDefaultFilter } from './seccomp.ts';

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const X64 = 0xc000003e;
const ARM64 = 0xc00000b7;

/** Runs a filter as the kernel does (seccomp(2)): loads of 32 bits, jumps forward only. */
function run(program: Buffer, arch: number, number: number, argument = 0): number {
  const data = Buffer.alloc(64);
  data.writeInt32LE(number | 0, 0);
  data.writeUInt32LE(arch, 4);
  data.writeUInt32LE(argument >>> 0, 16);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const code = program.readUInt16LE(at * 8);
    const [whenTrue, whenFalse, operand] = [
      program[at * 8 + 2] ?? 0,
      program[at * 8 + 3] ?? 0,
      program.readUInt32LE(at * 8 + 4),
    ];
    const jump = (condition: boolean): void => {
      at += condition ? whenTrue : whenFalse;
    };
    if (code === 0x20) accumulator = data.readUInt32LE(operand);
    else if (code === 0x06) return operand;
    else if (code === 0x15) jump(accumulator === operand);
    else if (code === 0x35) jump(accumulator >= operand);
    else if (code === 0x45) jump((accumulator & operand) !== 0);
    else assert.fail(`unknown instruction ${code}`);
  }
  assert.fail('the program has no end');
}

describe('the default filter', () => {
  const x64 = runtimeDefaultFilter('x64') ?? Buffer.alloc(0);
  const arm64 = runtimeDefaultFilter('arm64') ?? Buffer.alloc(0);

  it('lets ordinary calls through', () => {
    // read, write, openat, execve, setns, prctl, ptrace, chroot
    for (const number of [0, 1, 257, 59, 308, 157, 101, 161])
      assert.equal(run(x64, X64, number), ALLOW, String(number));
    for (const number of [63, 64, 56, 221, 268, 167, 117, 51])
      assert.equal(run(arm64, ARM64, number), ALLOW, String(number));
  });

  it('refuses what reaches out of a sandbox', () => {
    // mount, umount2, pivot_root, bpf, keyctl, open_by_handle_at, init_module, kexec_load, userfaultfd, io_uring_setup, fsopen, reboot
    for (const number of [165, 166, 155, 321, 250, 304, 175, 246, 323, 425, 430, 169])
      assert.equal(run(x64, X64, number), EPERM, String(number));
    for (const number of [40, 39, 41, 280, 219, 265, 105, 104, 282, 425, 430, 142])
      assert.equal(run(arm64, ARM64, number), EPERM, String(number));
  });

  it('refuses new namespaces and lets processes and threads be made', () => {
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
      assert.equal(run(x64, X64, 56, flag | 17), EPERM);
      assert.equal(run(x64, X64, 272, flag), EPERM);
      assert.equal(run(arm64, ARM64, 220, flag | 17), EPERM);
      assert.equal(run(arm64, ARM64, 97, flag), EPERM);
    }
    assert.equal(run(x64, X64, 272, 0x80), EPERM);
    assert.equal(run(x64, X64, 56, 17), ALLOW);
    assert.equal(run(x64, X64, 56, 0x3d0f00), ALLOW);
    assert.equal(run(x64, X64, 272, 0x400), ALLOW);
    assert.equal(run(x64, X64, 435), ENOSYS);
  });

  it('allows only the usual personalities', () => {
    for (const value of [0, 8, 0x20000, 0x20008, 0xffffffff]) assert.equal(run(x64, X64, 135, value), ALLOW);
    assert.equal(run(x64, X64, 135, 0x0040000), EPERM);
    assert.equal(run(arm64, ARM64, 92, 0x0040000), EPERM);
  });

  it('has no way around by another architecture or ABI', () => {
    const i386 = 0x40000003;
    assert.equal(run(x64, i386, 21), ENOSYS);
    assert.equal(run(x64, X64, 0x40000000 + 165), ENOSYS);
    assert.equal(run(x64, X64, 0xffffffff), ENOSYS);
    assert.equal(run(arm64, 0x40000028, 21), ENOSYS);
  });

  it('is not made up for a processor that it does not know', () => {
    assert.equal(runtimeDefaultFilter('riscv64'), undefined);
  });
});
