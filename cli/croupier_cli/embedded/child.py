"""What a server's process runs first: it binds itself to the launcher, gives up root, becomes the server.

    python -I -S child.py LAUNCHER_PID DEATH_SIGNAL [DIRECTORY ...] -- COMMAND [ARGUMENT ...]

With a DIRECTORY, the command must not run as root (Postgres refuses to), and the directories are what it
writes to.

A program of its own, because the alternative is Python code between fork and exec (`preexec_fn`), which can
deadlock when the launcher has threads. It imports nothing but the standard library, so that it starts in
about 15 ms.
"""

import ctypes
import os
import pwd
import sys

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command; never returns."""
    launcher_pid, death_signal = int(arguments[0]), int(arguments[1])
    separator = arguments.index("--")
    directories, command = arguments[2:separator], arguments[separator + 1 :]
    if directories and os.geteuid() == 0:
        give_up_root(directories)
    # After the change of user, which would clear the death signal.
    end_with_launcher(launcher_pid, death_signal)
    os.execv(command[0], command)  # noqa: S606 (no shell, on purpose)


def end_with_launcher(launcher_pid: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when the launcher ends, however it ends.

    A launcher killed with SIGKILL can stop nothing any more; without this its servers would run on unseen and
    keep the data directory. The signal is the one that makes the server shut down cleanly. Linux only:
    elsewhere such a server keeps running until it is ended by hand, and the lock on its directory says so.
    """
    if sys.platform != "linux":
        return
    _call("prctl", _PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != launcher_pid:
        sys.exit("the launcher ended before its server began")


def give_up_root(directories: list[str]) -> None:
    """Stop being root in the eyes of the command, which then owns the directories.

    The first way is a user namespace in which this user (root outside) is called `nobody`: the process keeps
    root's access to files, so the installation and the data may lie anywhere, and the files stay root's.
    Containers often forbid it; there the process becomes the user `nobody` and gets the directories for its
    own. A directory that belongs to another user already is used as that user.
    """
    owner = os.stat(directories[0]).st_uid
    account = pwd.getpwnam("nobody") if owner == 0 else pwd.getpwuid(owner)
    if owner == 0 and enter_user_namespace(account):
        return
    become(account, directories)


def enter_user_namespace(account: pwd.struct_passwd) -> bool:
    """Enter a namespace in which this user is `account`; False where that is not permitted.

    The name must be one of an account that exists: initdb looks it up.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", _CLONE_NEWUSER)
    except (OSError, AttributeError):  # not permitted, or a system without unshare
        return False
    # The kernel lets a process map its groups only once it can no longer drop any of them.
    for file, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{account.pw_uid} {uid} 1"),
        ("gid_map", f"{account.pw_gid} {gid} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as stream:
            stream.write(content)
    return True


def become(account: pwd.struct_passwd, directories: list[str]) -> None:
    """Give the directories to the account and become it, for good."""
    for directory in directories:
        os.chown(directory, account.pw_uid, account.pw_gid)
        for parent, subdirectories, files in os.walk(directory):
            for name in subdirectories + files:
                os.chown(os.path.join(parent, name), account.pw_uid, account.pw_gid, follow_symlinks=False)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _call(function: str, *arguments: int) -> None:
    """Call a function of the C library; raises OSError when it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*(ctypes.c_ulong(argument) for argument in arguments)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as failure:
        sys.exit(f"the server cannot be run as uid {os.geteuid()}: {failure}")
