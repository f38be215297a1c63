"""The package uses no modules, functions or paths that macOS or Windows lacks."""

import ast
import re
from pathlib import Path

import pytest

import sklearn_resnet

ROOT = Path(sklearn_resnet.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

UNIX_MODULES = {
    *("crypt", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "readline", "resource"),
    *("spwd", "syslog", "termios", "tty"),
}
# "Availability: Unix" in the documentation of Python
UNIX_NAMES = {
    "os": {
        *("chown", "confstr", "ctermid", "fchmod", "fchown", "fork", "forkpty", "getegid"),
        *("geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpriority", "getuid"),
        *("killpg", "lchown", "mkfifo", "mknod", "nice", "openpty", "pathconf", "pipe2"),
        *("posix_fadvise", "posix_fallocate", "posix_spawn", "pread", "pwrite", "register_at_fork"),
        *("rename", "sched_getaffinity", "sched_setaffinity", "sched_yield", "sendfile"),
        *("setpriority", "setsid", "statvfs", "sync", "sysconf", "uname", "wait", "wait4"),
        *("O_CLOEXEC", "O_DIRECTORY", "O_DIRECT", "O_NOATIME", "O_NOFOLLOW", "O_NONBLOCK"),
    },
    "signal": {
        *("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1"),
        *("SIGUSR2", "alarm", "pause", "pthread_sigmask", "setitimer", "sigwait"),
    },
    "socket": {"AF_UNIX"},
    "time": {"tzset"},
}
UNIX_FOLDERS = re.compile(r"/(bin|dev|etc|opt|proc|sys|tmp|usr|var)(/|$)")
UNIX_PATHS = {
    "/proc/cpuinfo",  # describe_processor has a fallback
    "/tmp",  # Keras' own fallback, on all systems
}


def guarded_names(tree):
    """Find the nodes inside ``if hasattr(module, name)`` and ``try: ... except ImportError``."""
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "hasattr(" in ast.unparse(node.test):
            guarded.update(inner for part in node.body for inner in ast.walk(part))
        if isinstance(node, ast.Try) and any(
            handler.type is not None and "ImportError" in ast.unparse(handler.type)
            for handler in node.handlers
        ):
            guarded.update(inner for part in node.body for inner in ast.walk(part))
    return guarded


def docstrings(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(tree) if isinstance(node, kinds))
    return {node.body[0].value for node in nodes if ast.get_docstring(node) is not None}


def find_unix_only(source):
    """List the names that only Unix has and that a module uses without a guard."""
    tree = ast.parse(source)
    skipped = guarded_names(tree) | docstrings(tree)
    found = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in UNIX_MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = UNIX_NAMES.get(node.module, ())
            found += [node.module] * (node.module in UNIX_MODULES)
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name in names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in UNIX_NAMES.get(node.value.id, ()):
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] * bool(UNIX_FOLDERS.match(node.value))
    return [name for name in found if name not in UNIX_PATHS]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_use_no_names_that_only_unix_has(path):
    assert find_unix_only(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["fcntl"]),
        ("from os import fork", ["os.fork"]),
        ("os.register_at_fork(before=f)", ["os.register_at_fork"]),
        ("os.rename(a, b)", ["os.rename"]),
        ("open('/dev/shm/x')", ["/dev/shm/x"]),
        ("if hasattr(os, 'register_at_fork'):\n    os.register_at_fork(before=f)", []),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ("flags = getattr(os, 'O_NONBLOCK', 0)", []),
        ("'''Reads /proc.'''\nos.replace(a, b)", []),
    ],
)
def test_unguarded_names_that_only_unix_has_are_found(source, found):
    assert find_unix_only(source) == found


def test_file_names_are_valid_on_all_systems():
    names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert re.fullmatch(r"[\w.\-/]+", name), name
        assert len(name) < 100  # of the 260 that Windows allows for a whole path
