"""Configs from files and the command line: what stands in the environment never becomes source text.

mmengine pastes `{{$NAME:default}}` into the text of a config before Python runs it, and its YAML loader runs
what a file asks for. Here the placeholders stay what they are, texts, until the config is a tree of values;
YAML is read as data.
"""

from __future__ import annotations

import json
import os
import re
import traceback
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config, DictAction
from mmengine.fileio import BaseFileHandler
from mmengine.fileio.handlers import file_handlers

from .config_keys import check_keys
from .shared_grid import share_data_root, share_grid
from .usage_error import UsageError

_ENVIRONMENT = re.compile(r'\{\{\s*\$(\w+)\s*:\s*(\S*?)\s*\}\}')
_QUOTED_ENVIRONMENT = re.compile(r'\{\{\s*[\'"]\s*\$(\w+)')
_UNSAFE_IN_TEXT = re.compile(r'[\'"\\\x00-\x1f{}]')


def load_config(
    path: str | Path, options: Mapping | Sequence[str] | None = None, import_modules: bool = True
) -> Config:
    """The config of a file with the command line's overrides, its placeholders filled in.

    What shares the config's `grid` agrees with it, and an option `data_root` reaches every data set that lies where
    the file's says. Warns of every key that nobody reads.

    Args:
        path: a `.py`, `.json`, `.yaml` or `.yml` file.
        options: KEY=VALUE texts of `--cfg-options`, or what `parse_options` makes of them.
        import_modules: import what `custom_imports` names.

    Raises:
        UsageError: there is no such file, it is no config, an option does not fit it, or can change nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f'{path}: expected a config file, found {"a folder" if path.is_dir() else "nothing"}')
    if path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise UsageError(f'{path}: expected a config file (.py, .json, .yaml), got {path.suffix or "no suffix"}')
    fills_names = not _UNSAFE_IN_TEXT.search(str(path.absolute()))  # mmengine pastes {{ fileDirname }} as well
    try:
        with _yaml_as_data():
            cfg = Config.fromfile(
                path,
                use_predefined_variables=fills_names,
                use_environment_variables=False,
                import_custom_modules=import_modules,
            )
    except (ImportError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise UsageError(_why_unreadable(path, error)) from error
    _fill(cfg, _names_of(path))
    options = parse_options(options)
    before = cfg.get('data_root')
    merge_options(cfg, options, path)
    reached = {'data_root'} if share_data_root(cfg, before) else set()
    for text in check_keys(cfg, [option for option in options if option not in reached]):
        warnings.warn(f'{path}: {text}', stacklevel=2)
    return share_grid(cfg)


@contextmanager
def _yaml_as_data() -> Iterator[None]:
    before = dict(file_handlers)
    file_handlers.update(yaml=_SafeYaml(), yml=_SafeYaml())
    try:
        yield
    finally:
        file_handlers.update(before)


class _SafeYaml(BaseFileHandler):
    """YAML of plain values; a tag that asks for a Python object is an error."""

    def load_from_fileobj(self, file: Any, **_: Any) -> Any:
        return yaml.safe_load(file)

    def dump_to_fileobj(self, obj: Any, file: Any, **kwargs: Any) -> None:
        yaml.safe_dump(obj, file, **kwargs)

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        return yaml.safe_dump(obj, **kwargs)


def _why_unreadable(path: Path, error: Exception) -> str:
    """One sentence with the file and, where it is known, the line."""
    place, text = str(path), ' '.join(str(error).split()) or type(error).__name__
    if isinstance(error, json.JSONDecodeError):
        return f'{path}:{error.lineno}: not valid JSON ({error.msg})'
    if isinstance(error, yaml.YAMLError):
        line = getattr(getattr(error, 'problem_mark', None), 'line', None)
        what = getattr(error, 'problem', None) or text
        return f'{path}{"" if line is None else f":{line + 1}"}: not YAML of plain values ({what})'
    if isinstance(error, UnicodeDecodeError):
        return f'{path}: not a readable config (expected UTF-8 text, got {text})'
    if path.suffix == '.py' and _QUOTED_ENVIRONMENT.search(path.read_text(encoding='utf-8', errors='replace')):
        return f"{path}: expected environment variables within a text, '{{{{$NAME:default}}}}', got {{{{'$NAME'}}}}"
    if isinstance(error, (SyntaxError, KeyError, AttributeError, OSError)):
        return f'{path}: not a readable config ({text})'
    for frame in traceback.extract_tb(error.__traceback__):  # a config's own lines run under its own name
        if frame.filename.endswith('.py') and 'mmengine' not in Path(frame.filename).parts and frame.name == '<module>':
            if Path(frame.filename).resolve() != Path(__file__).resolve():
                place = f'{frame.filename}:{frame.lineno}'
    return f'{place}: not a readable config ({type(error).__name__}: {text})'


def _names_of(path: Path) -> dict[str, str]:
    return {
        'fileDirname': str(path.parent),
        'fileBasename': path.name,
        'fileBasenameNoExtension': path.stem,
        'fileExtname': path.suffix,
    }


def _fill(cfg: Config, names: Mapping[str, str]) -> None:
    """Puts values for placeholders, in the values of the config."""

    def environment(match: re.Match) -> str:
        name, default = match.groups()
        value = os.environ.get(name, default)
        if not value.strip():
            raise UsageError(f'{name}: expected a value, got an empty one; unset it to get the default, {default!r}')
        return value

    def filled(value: Any) -> Any:
        if isinstance(value, str) and '{{' in value:
            for name, text in names.items():
                value = re.sub(r'\{\{\s*' + name + r'\s*\}\}', lambda _, text=text: text, value)
            return _ENVIRONMENT.sub(environment, value)
        if isinstance(value, dict):
            for key in list(value):
                item = dict.__getitem__(value, key)
                if (new := filled(item)) is not item:
                    value[key] = new
        elif type(value) in (list, tuple):
            items = [filled(item) for item in value]
            if any(new is not old for new, old in zip(items, value)):
                return type(value)(items)
        return value

    for key in list(cfg.keys()):
        cfg[key] = filled(cfg[key])


def parse_options(options: Mapping | Sequence[str] | None) -> dict:
    """What `--cfg-options` gives: {'a.b': value}.

    Raises:
        UsageError: an option is no KEY=VALUE, or its value cannot be read.
    """
    if options is None or isinstance(options, Mapping):
        return dict(options or {})
    found, action = Namespace(options={}), DictAction(['--cfg-options'], 'options')
    for option in options:
        key, sign, value = option.partition('=')
        if not sign or not key.strip('. '):
            raise UsageError(f'--cfg-options: expected KEY=VALUE, got {option!r}')
        try:
            action(ArgumentParser(), found, [option])
        except (AssertionError, ValueError) as error:
            raise UsageError(f'--cfg-options {key}: expected a value, got {value!r} ({error})') from error
    return found.options


def merge_options(cfg: Config, options: Mapping, path: Path) -> None:
    """Puts the command line's values over those of the config.

    Raises:
        UsageError: an option leads to nothing, or is of another kind than what stands in the config.
    """
    for key, value in options.items():
        _check_kind(key, value, _present(cfg, key))
        try:
            cfg.merge_from_dict({key: value})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            text = str(error.args[0] if error.args else type(error).__name__)
            text = text if len(text) <= 100 else f'{text[:97]}...'
            raise UsageError(f'--cfg-options {key}: it leads to nothing in {path} ({text})') from error
    _fill(cfg, _names_of(path))


def _present(cfg: Any, key: str) -> Any:
    """What stands in the config under a dotted key; None for nothing."""
    for part in key.split('.'):
        if isinstance(cfg, (Mapping, Config)):
            cfg = cfg.get(part)
        elif isinstance(cfg, (list, tuple)) and part.isdigit() and int(part) < len(cfg):
            cfg = cfg[int(part)]
        else:
            return None
    return cfg


def _check_kind(key: str, value: Any, present: Any) -> None:
    if isinstance(present, bool) and isinstance(value, str):
        raise UsageError(f'--cfg-options {key}: expected True or False, got {value!r}')
    if isinstance(present, (int, float)) and isinstance(value, str) and not value.isidentifier():
        raise UsageError(f'--cfg-options {key}: expected a number such as {present}, got {value!r}')
    if isinstance(present, Mapping) and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        below = f'{key}.{next(iter(present), "type")}'
        raise UsageError(f'--cfg-options {key}: expected a setting below it, such as {below}=..., got {value!r}')
