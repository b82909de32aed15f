"""What goes wrong while a tool runs, as one sentence; the traceback only for those who ask for it."""

from __future__ import annotations

import difflib
import errno
import re
import sys
import traceback as tracebacks
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .usage_error import UsageError

PACKAGE = __name__.rpartition('.engine.')[0]
_UNREGISTERED = re.compile(r'^(\S+) is not in the (\S+?)::(.+?) registry')
_WORKER_KILLED = re.compile(r'DataLoader worker \(pid\(?s?\)? ([\d, ]+)\)? (?:is killed by signal: (.*?)\.|exited)')
_LONGEST = 1500


def explain_errors(program: str, action: Callable[[], Any], traceback: bool | None = None) -> int:
    """Runs the action; whatever ends it before its time is one sentence on stderr.

    Args:
        program: the tool's name, which the sentence begins with.
        traceback: show the traceback as well; by default when `--traceback` is on the command line.

    Returns:
        0; 1 after bad data, files or numbers, and after bugs, which the sentence calls so with their
        place; 2 after bad usage; 130 after Ctrl-C.
    """
    try:
        action()
    except KeyboardInterrupt:
        return _tell(program, 'interrupted', 130)
    except Exception as error:
        if traceback or traceback is None and '--traceback' in sys.argv[1:]:
            tracebacks.print_exc()
        return _tell(program, sentence(error), 2 if isinstance(error, UsageError) else 1)
    return 0


def _tell(program: str, text: str, code: int) -> int:
    print(f'{program}: error: {text}', file=sys.stderr, flush=True)
    return code


def sentence(error: BaseException) -> str:
    """One line for an error: what was expected, what was found, and whom to ask."""
    text = _text_of(error)
    if found := _WORKER_KILLED.search(str(error)):
        return _killed_worker(found)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.strerror:  # else it is in words already
            return f'{error.filename or "writing"}: the disk is full ({error.strerror})'
        if error.filename is not None and error.strerror:
            return f'{error.filename}: {error.strerror}'
        return text
    if _UNREGISTERED.match(text):
        return unregistered(text)
    if 'out of memory' in text.lower() or isinstance(error, MemoryError):
        return f'out of memory: {text or "the machine has no more"}; a smaller train_dataloader.batch_size needs less'
    if re.search(r'NVIDIA driver|not compiled with CUDA|No CUDA GPUs|no CUDA-capable', text):
        return f'CUDA is not there: {text}'
    if isinstance(error, (UsageError, ImportError)) or _is_own(error) or _raised_on_purpose(error):
        return text
    frame = next(iter(tracebacks.extract_tb(error.__traceback__)[-1:]), None)
    where = f' at {frame.filename}:{frame.lineno}' if frame is not None else ''
    return f'{text} (an unexpected {type(error).__name__}{where}; --traceback shows the way there)'


def _text_of(error: BaseException) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'Original Traceback' in text:  # of a data worker: its last line is the error
        name = type(error).__name__
        text = text.rpartition(f'{name}: ')[2]
    text = ' '.join(text.split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'


def _killed_worker(found: re.Match) -> str:
    signal = f' (signal {found[2]})' if found[2] else ''
    return (
        f'data worker {found[1].strip()} was killed{signal}, probably for want of memory: expected less to be asked '
        'for, by a smaller train_dataloader.num_workers or batch_size, or more shared memory (/dev/shm; docker '
        'run --shm-size)'
    )


def _is_own(error: BaseException) -> bool:
    return type(error).__module__.startswith('projects.OneOcc.')


def _raised_on_purpose(error: BaseException | None) -> bool:
    """Whether a statement `raise` of this package made the error or one that it was made from."""
    folder = f'/{PACKAGE.rpartition(".")[0].replace(".", "/")}/'
    while error is not None:
        text = str(error)
        if 'Original Traceback' in text and folder in text:
            return True
        frames = tracebacks.extract_tb(error.__traceback__)
        if frames and folder in frames[-1].filename and 'raise' in (frames[-1].line or ''):
            return True
        error = error.__cause__ or error.__context__
    return False


def unregistered(text: str, where: str = 'type') -> str:
    """The sentence for a name that no registry knows, with the nearest one that it does know.

    Args:
        text: mmengine's message.
        where: the config's key that holds the name.

    Raises:
        ValueError: another message.
    """
    if (found := _UNREGISTERED.match(text)) is None:
        raise ValueError(f"expected mmengine's message on an unregistered name, got {text!r}")
    name, scope, kind = found.groups()
    near = difflib.get_close_matches(name, registered_names(kind), 1, cutoff=0.6)
    meant = f'; did you mean {near[0]!r}?' if near else '; is the module that registers it in custom_imports?'
    return f'{where}: expected a registered {kind} of {scope}, got {name!r}{meant}'


def registered_names(kind: str) -> list[str]:
    """All names that mmdet3d's registry of a kind ('model', 'dataset') knows, its parents' included."""
    from mmdet3d import registry as registries
    from mmengine.registry import Registry

    names: set[str] = set()
    for registry in vars(registries).values():
        while isinstance(registry, Registry) and registry.name == kind:
            names |= set(registry.module_dict)
            registry = registry.parent
    return sorted(names)


@contextmanager
def explain_registry_error(cfg: Config) -> Iterator[None]:
    """Within it, a name that no registry knows is refused with the config's key that holds it.

    Raises:
        UsageError: names the key, and the nearest registered name.
    """
    try:
        yield
    except KeyError as error:
        text = _text_of(error)
        if not (found := _UNREGISTERED.match(text)):
            raise
        place = next(_places(cfg._cfg_dict, found[1], ''), 'type')
        name = '' if cfg.filename is None else f'{Path(cfg.filename)}: '
        raise UsageError(name + unregistered(text, place)) from error


def _places(value: Any, name: str, where: str) -> Iterator[str]:
    """Dotted keys of a config at which `type` is this name."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f'{where}.{key}' if where else str(key)
            if key.endswith('type') and item == name:
                yield here
            yield from _places(item, name, here)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _places(item, name, f'{where}.{index}')
