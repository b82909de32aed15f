"""What tools/deploy/export.py does: from a config and a checkpoint to a bundle that was compared with the model."""

from __future__ import annotations

import shutil
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.registry import init_default_scope
from torch import nn

from ...core.formats.atomic_files import write_json
from ...core.geometry import View
from ...runtime import Bundle, OccRuntime
from ...runtime.bundle import CARD
from ..engine.checkpoint import read_checkpoint
from ..engine.config_files import load_config
from ..engine.usage_error import UsageError
from .aoti_export import AotiSession
from .calibration import read_calibration
from .export_bundle import ExportOptions, check_folder, export_bundle, recalibrate
from .lower_precision import frames_of
from .network import check_exportable, image_views
from .parity import MOST_ERROR, PARITY, Parity, compare


def export(args: Namespace) -> None:
    """Export, compare, tell."""
    check_folder(args.out)
    cfg = load_config(Path(args.config), args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    body = None if args.ego_body is None else (args.ego_body[:3], args.ego_body[3:])
    options = ExportOptions(args.precision, args.format, args.exporter, args.temperature, body)
    model = load_model(cfg, args.checkpoint)
    check_exportable(model)
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset))
    steps = dataset.pipeline.transforms
    own = {name: View.of(view) for name, view in dataset.get_data_info(0)['cameras'].items()}
    recorded = own if args.calib is None else read_calibration(args.calib)
    if args.network_of is not None:
        bundle = recalibrate(model, steps, recorded, args.network_of, args.out)
    else:
        frames = None
        if options.precision == 'int8':
            training = DATASETS.build(dict(cfg.test_dataloader.dataset, ann_file=cfg.train_dataloader.dataset.ann_file))
            frames = frames_of(training, image_views(model), args.calibration_frames)
        meta = dataset.metainfo
        about = dict(
            grid=dict(meta['grid']),
            classes=list(meta['classes']),
            colours=[list(colour) for colour in meta['palette']],
            config=str(args.config),
            checkpoint=Path(args.checkpoint).name,
        )
        bundle = export_bundle(model, steps, recorded, args.out, about, options, frames)
    size = sum(path.stat().st_size for path in bundle.folder.iterdir()) / 1e6
    print(f'{args.out}: {bundle.card["network"]["precision"]} network and tables, {size:.1f} MB')
    if not args.no_check and recorded == own:
        _check(model, dataset, args)


def load_model(cfg: Any, checkpoint: str) -> nn.Module:
    """The config's model with the checkpoint's weights, in eval mode.

    Raises:
        UsageError: weights that do not belong to the model.
    """
    model = MODELS.build(cfg.model).eval()
    state = read_checkpoint(checkpoint)
    try:
        model.load_state_dict(state['state_dict'])
    except RuntimeError as error:
        raise UsageError(f'{checkpoint}: expected the weights of {cfg.filename}, got others: {error}') from error
    return model


def _check(model: nn.Module, dataset: Any, args: Namespace) -> None:
    session = None
    if args.format == 'aoti':
        card = Bundle.read(args.out)
        session = AotiSession(card.network, card.card['network']['inputs'])
    runtime = OccRuntime(args.out, session=session, threads=torch.get_num_threads())
    found = compare(model, runtime, dataset, args.frames)
    print(found)
    if args.precision == 'fp32' and not found.holds:
        shutil.rmtree(args.out)
        raise UsageError(
            f'{args.out}: expected labels that agree on {PARITY:.2%} of the decided voxels and logits within '
            f'{MOST_ERROR:g}, got {found}; the bundle was not kept'
        )
    bundle = Bundle.read(args.out)
    write_json(bundle.folder / CARD, dict(bundle.card, parity=asdict(found)), indent=1)


__all__ = ['Parity', 'export', 'load_model']
