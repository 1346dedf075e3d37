/**
 * The shell side. Each script runs under any POSIX sh and starts nothing but what it is told to, so that it lives on in about a
 * megabyte when Causeway is gone. File descriptors above 2 have fixed numbers, because dash knows only one digit.
 */

/**
 * Holds a sandbox's namespaces. In them already: makes the pod's own terminals, shared memory and kernel file systems.
 * `$1` the sandbox's directory; `$2` `proc` when containers share the PID namespace; `$3` `sys` for a /sys of its own; `$4` bytes of
 * shared memory; then sysctls as `path=value`.
 * Says `ready` and waits for ever. As PID 1 of a shared namespace it reaps.
 */
export const HOLDER = `
set -e
umask 022
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts /dev/pts
mount -t tmpfs -o mode=1777,size=$4,nosuid,nodev,noexec shm "$1/shm"
if [ "$3" = sys ]; then
  mount -t sysfs -o nosuid,nodev,noexec sysfs "$1/sys"
  # A router advertisement on the pod network could reroute the pod's traffic (CVE-2020-10749).
  for i in all default lo; do
    if [ -e "/proc/sys/net/ipv6/conf/$i/accept_ra" ]; then echo 0 >"/proc/sys/net/ipv6/conf/$i/accept_ra"; fi
  done
fi
if [ "$2" = proc ]; then mount -t proc -o nosuid,nodev,noexec proc "$1/proc"; fi
shared=$2
shift 4
for setting in "$@"; do
  echo "\${setting#*=}" >"/proc/sys/\${setting%%=*}"
done
cd /
echo ready
exec >/dev/null
if [ "$shared" = proc ]; then
  while :; do sleep 2147483647 & wait $!; done
fi
exec sleep 2147483647
`;

/**
 * Tends one container outside of it: keeps its pipes open whatever becomes of Causeway, and writes its exit code to disk.
 * `$1` the container's directory, `$2` `stdin` when it has a standard input, the rest the command that enters the sandbox.
 * 3 stdout, 4 stderr, 5 status, 6 acknowledgement, 7 stdin: each a pipe with both ends open.
 * Output of a container that ended stays in the pipes until somebody acknowledges that they are read.
 */
export const SHIM = `
umask 022
cd "$1" || exit 1
input=$2
shift 2
if [ "$input" = stdin ]; then
  # Keeps the input open until somebody writes to closestdin.
  ( exec 3>&- 4>&- 5>&- 6>&- 8<>closestdin; read -r _ <&8 ) &
  keeper=$!
  exec </proc/self/fd/7 7>&-
fi
# In a shell of its own: dash would move this one's descriptors about for the time of the command.
( exec "$@" >/proc/self/fd/3 2>/proc/self/fd/4 3<>resize 4>&- 5>&- 6>&- )
code=$?
[ "$input" = stdin ] && kill $keeper 2>/dev/null
echo "$code" >exit
echo "exit $code" >&5
read -r _ <&6
`;

/**
 * First step of a container's own chain: joins its cgroups and opens what the next steps read.
 * `$1` the container's directory, `$2` the filter, `$3` how many cgroup directories follow, then these, then the command.
 * 3 start, 4 seccomp, 5 bubblewrap's arguments, 6 its information, 7 go, 8 environment, 9 the container's own standard error: until
 * the last step, complaints are the runtime's, not the container's.
 */
export const ENTER = `
dir=$1
filter=$2
n=$3
shift 3
while [ "$n" -gt 0 ]; do
  echo 0 >"$1/cgroup.procs" || exit 125
  shift
  n=$((n - 1))
done
# 3 has both ends: who speaks when Causeway is gone is not ended by that.
exec "$@" 9>&2 2>>"$dir/launch.log" 3<>"$dir/start" 4<"$filter" 5<"$dir/args" 6>"$dir/info" 7<>"$dir/go" 8<"$dir/env"
`;

/** Shows `$1` as /proc to what follows: bubblewrap looks its child up there, by the number that it has in the shared PID namespace. */
export const WITH_PROC = 'mount --bind "$1" /proc && shift && exec "$@"';

/** The same for a process that joins a running container: 4 seccomp, 8 environment. */
export const JOIN = `
dir=$1
filter=$2
n=$3
shift 3
while [ "$n" -gt 0 ]; do
  echo 0 >"$1/cgroup.procs" || exit 125
  shift
  n=$((n - 1))
done
exec "$@" 3>&- 4<"$filter" 8<"$dir/env"
`;

const REPORT_TO_FD_3 = `printf 'error %s %s\\n' "$1" "$2" >&3`;
const REPORT_TO_STDERR = `printf 'OCI runtime exec failed: exec failed: unable to start container process: %s\\n' "$2" >&2`;

/**
 * Last step, inside, with the container's own rights and nothing more: environment, working directory, command.
 * Everything it reads may be hostile by then; nothing it does can go beyond the container.
 */
function final(first: string, report: string, started: string): string {
  return `
${first}
unset SHLVL TERM LC_ALL CAUSEWAY_STATE
. /proc/self/fd/8
exec 8<&-
fail() { ${report}; exit "$1"; }
cd -- "$1" || fail 126 "chdir to cwd (\\"$1\\") failed"
terminal=$2
shift 2
case $1 in
*/*)
  [ -e "$1" ] || fail 127 "exec: \\"$1\\": stat $1: no such file or directory"
  [ ! -d "$1" ] || fail 126 "exec: \\"$1\\": is a directory"
  [ -x "$1" ] || fail 126 "exec: \\"$1\\": permission denied" ;;
*)
  command -v -- "$1" >/dev/null || fail 127 "exec: \\"$1\\": executable file not found in \\$PATH" ;;
esac
unset PWD OLDPWD
${started}
`;
}

/** `$1` is the working directory, `$2` the program that makes the terminal the controlling one, or nothing. */
export const FINAL_START = final(
  'exec 2>&9 9>&-',
  REPORT_TO_FD_3,
  `echo started >&3
if [ -n "$terminal" ]; then exec "$terminal" --ctty "$@" 3>&-; fi
exec "$@" 3>&-`,
);
export const FINAL_EXEC = final(
  '',
  REPORT_TO_STDERR,
  `if [ -n "$terminal" ]; then exec "$terminal" --ctty "$@"; fi
exec "$@"`,
);

/** Names that a shell gives a meaning of its own, or cannot assign: they are set by env(1) instead. */
const SHELL_NAMES =
  /^(IFS|OPTIND|OPTARG|PPID|UID|EUID|GID|EGID|LINENO|PS[0-4]|PWD|OLDPWD|ENV|SHELLOPTS|BASHOPTS|BASH.*|GROUPS|DIRSTACK|FUNCNAME|HISTCMD|RANDOM|SRANDOM|SECONDS|EPOCH.*|_|MAIL|MAILPATH|MAILCHECK|POSIXLY_CORRECT|FIGNORE|HIST.*|TMOUT)$/;
const ASSIGNABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The environment as a script to source, and the variables that env(1) has to set. */
export function environmentScript(variables: ReadonlyMap<string, string>): {
  readonly script: string;
  readonly viaEnv: readonly string[];
} {
  const lines: string[] = [];
  const viaEnv: string[] = [];
  for (const [name, value] of variables) {
    if (ASSIGNABLE.test(name) && !SHELL_NAMES.test(name)) lines.push(`export ${name}=${quote(value)}`);
    else viaEnv.push(`${name}=${value}`);
  }
  return { script: `${lines.join('\n')}\n`, viaEnv };
}
