"""Keys of a config that nobody reads: told, with the name that was probably meant."""

from __future__ import annotations

import difflib
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from .usage_error import UsageError

# what the runners and this project's tools read beside the arguments of mmengine's Runner
_READ_ELSEWHERE = frozenset(
    'runner_type custom_imports launcher strict_load sync_bn find_unused_parameters model_wrapper_cfg '
    'activation_checkpointing efficient_conv_bn_eval compile init_weights_for_test_or_val tta_model tta_pipeline '
    'backend_args work_dir grid'.split()
)
READ = (frozenset(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}) | _READ_ELSEWHERE
_ENVIRONMENT = {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}


def check_keys(cfg: Config, options: Iterable[str] = ()) -> list[str]:
    """Warnings about keys of the config that nobody reads.

    A top-level name of a config is a setting that a runner reads, or a variable that other lines of
    the config use; what is neither changes nothing.

    Args:
        cfg: with the command line's overrides in it.
        options: the dotted keys of these overrides.

    Raises:
        UsageError: an override can change nothing: nobody reads it, or its value was used before.
    """
    for option in options:
        name = option.partition('.')[0]
        if name not in READ:
            raise UsageError(_useless_option(option, name, cfg))
    used = names_used(cfg.text)
    warnings = [
        f'{name}: nobody reads this setting of the config{_suggestion(name, READ)}'
        for name in cfg
        if name not in READ and name not in used
    ]
    environment = cfg.get('env_cfg') or {}
    warnings += [
        f'env_cfg.{name}: nobody reads this setting of the config{_suggestion(name, _ENVIRONMENT)}'
        for name in environment
        if name not in _ENVIRONMENT
    ]
    return warnings


def _useless_option(option: str, name: str, cfg: Config) -> str:
    if name not in names_assigned(cfg.text):
        return f'--cfg-options {option}: nobody reads {name!r}{_suggestion(name, READ)}'
    places = [place for key in sorted(READ & set(cfg)) for place in _places(cfg[key], name, key)]
    instead = f'set {", ".join(places[:3])} instead' if places else 'set what is made of it instead'
    cure = 'the environment variable ONEOCC_DATA names the folder of all sets; or ' if name == 'data_root' else ''
    return (
        f'--cfg-options {option}: {name!r} is a variable of the config, whose value the settings below it '
        f'have taken already: {cure}{instead}'
    )


def _places(value: Any, name: str, where: str) -> list[str]:
    """Dotted keys at which a setting of that very name stands."""
    found = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            found += [f'{where}.{key}'] if key == name else _places(item, name, f'{where}.{key}')
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            found += _places(item, name, f'{where}.{index}')
    return found


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1, cutoff=0.7)
    return f'; did you mean {near[0]!r}?' if near else ''


def names_assigned(text: str) -> set[str]:
    """Names that lines of a config's text assign at the top level."""
    return set(re.findall(r'^(\w+)\s*=[^=]', text, re.MULTILINE))


def names_used(text: str) -> set[str]:
    """Names that a config's text mentions other than by assigning them, as a keyword or in a comment."""
    used: set[str] = set()
    text = '\n'.join(line for line in text.splitlines() if not line.startswith('/'))  # names of the files
    try:
        tokens = [
            token
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type not in (tokenize.COMMENT, tokenize.NL)
        ]
    except (tokenize.TokenError, IndentationError):  # pieces of several files, or no Python at all
        return set(re.findall(r'\w+', text))
    for token, following in zip(tokens, [*tokens[1:], None]):
        if (
            token.type == tokenize.STRING
            or token.type == tokenize.NAME
            and (following is None or following.string != '=')
        ):
            used |= set(re.findall(r'\w+', token.string))
    return used
