"""Your own image as occupancy: python tools/infer.py INPUT [--calib FILE] [--model NAME] --out DIR

INPUT is a 360 photo (equirectangular, twice as wide as high), an annulus or a fisheye with its calibration, a folder or
a 'pattern*.jpg' of such images, a video, or a folder with recording.json. Without a calibration the photo is taken
for a full sphere at walking height, and what is assumed is printed. --radii without --calib unrolls an annulus
linearly, which is a guess and is called one.

DIR gets a picture and a page to turn for each frame, the labels (.npz) and, as --formats asks for, .ply, .pcd,
SemanticKITTI's .label, and one .mcap; for several frames also index.html and ride.html, and with --video a film.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FORMATS = ('sheet', 'html', 'npz', 'ply', 'pcd', 'label', 'mcap')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('input', nargs='?', help='image, folder, pattern, video or recording')
    parser.add_argument('--model', help='shipped name, folder with a card, folder of a training, or config')
    parser.add_argument('--weights', help='checkpoint, for a config')
    parser.add_argument('--out', type=Path, help='folder to write (default: work_dirs/infer/<name of INPUT>)')
    parser.add_argument('--formats', nargs='+', choices=FORMATS, default=list(FORMATS[:3]), help='what to write')
    parser.add_argument('--video', choices=('mp4', 'gif'), help='also a film of the frames')
    parser.add_argument('--fps', type=float, default=4.0, help='of the film (default: %(default)s)')
    parser.add_argument('--stride', type=int, default=1, help='every how many-th frame (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=1, help='frames a forward pass (default: %(default)s)')
    parser.add_argument('--device', help='e.g. cuda:0 (default: CUDA where it is)')
    parser.add_argument('--precision', choices=('fp32', 'fp16', 'bf16'), help='default: fp32')
    parser.add_argument('--list-models', action='store_true', help='print the names of the shipped models and stop')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    camera = parser.add_argument_group('camera')
    camera.add_argument('--calib', help='calibration of any known toolbox (docs/own_camera.md), or a recording.json')
    camera.add_argument('--camera', help='which camera of the file or the recording')
    camera.add_argument('--scale-calib', action='store_true', help='the images were resampled: scale the calibration')
    camera.add_argument('--fov', type=float, help='full angle that a fisheye sees, degrees (no file says it)')
    camera.add_argument('--lens-model', choices=('pinhole', 'fisheye'), help='where an OpenCV file does not say it')
    camera.add_argument('--equirect', action='store_true', help='the image is a full sphere whatever its shape')
    camera.add_argument('--elevations', nargs=2, type=float, metavar=('LOW', 'HIGH'), help='degrees of the band')
    camera.add_argument('--radii', nargs=2, type=float, metavar=('INNER', 'OUTER'), help='annulus, pixels')
    camera.add_argument('--centre', nargs=2, type=float, metavar=('U', 'V'), help='of the annulus, pixels')
    camera.add_argument('--height', type=float, help='of the lens above the ground in metres (default: 1.6)')
    camera.add_argument('--looks', choices=('up', 'down', 'ahead', 'left', 'right', 'back', 'level'))
    camera.add_argument('--heading', type=float, default=0.0, help='azimuth of "ahead" in the picture, degrees right')
    camera.add_argument('--tilt', type=float, default=0.0, help='degrees that the front is tilted up')
    camera.add_argument('--roll', type=float, default=0.0, help='degrees that the right side is rolled down')
    camera.add_argument(
        '--lens', choices=('training', 'own'), default='training', help="show the image through the training's lens"
    )
    return parser.parse_args(argv)


def infer(args: argparse.Namespace) -> None:
    from projects.OneOcc.oneocc.apis import CameraSetup, OccInferencer, ResultWriter, list_models
    from projects.OneOcc.oneocc.engine.usage_error import UsageError

    if args.list_models:
        print('\n'.join(list_models()) or 'no model is shipped here')
        return
    if args.input is None:
        raise UsageError('INPUT: expected an image, a folder, a pattern, a video or a recording, got none')
    model = args.model or next(iter(list_models()), None)
    if model is None:
        raise UsageError('--model: expected one, since none is shipped here: the folder of a training or of a card')
    setup = CameraSetup(
        calib=args.calib,
        camera=args.camera,
        equirect=args.equirect,
        radii=args.radii,
        centre=args.centre,
        elevations_deg=args.elevations,
        height_m=args.height,
        looks=args.looks,
        heading_deg=args.heading,
        tilt_deg=args.tilt,
        roll_deg=args.roll,
        scale_calib=args.scale_calib,
        fov_deg=args.fov,
        lens_model=args.lens_model,
    )
    out = args.out or Path('work_dirs/infer') / Path(args.input.rstrip('/*')).stem.replace('*', '')
    inferencer = OccInferencer(model, args.weights, args.device, args.precision, args.lens)
    writer = ResultWriter(out, args.formats, inferencer.source.name, args.video, args.fps)
    said: set[str] = set()
    count = 0
    for result in inferencer.iterate(args.input, setup, args.batch_size, args.stride):
        for kind, texts in (('assumed', result.assumptions), ('mind', result.mismatches)):
            for text in texts:
                if text not in said:
                    print(f'{kind}: {text}')
                    said.add(text)
        print(f'{result.id}: {told(result)}', flush=True)
        writer.add(result)
        count += 1
    if not count:
        raise UsageError(f'{args.input}: expected frames, got none')
    writer.close()
    print(
        f'{count} frame{"s" * (count > 1)} in {out}: ' + (f'{out}/index.html' if count > 1 else 'pictures and a page')
    )


def told(result) -> str:
    """Voxels by class, those that are not known, the time, in one line."""
    summary = result.summary()
    voxels = ', '.join(f'{name} {number}' for name, number in summary['voxels'].items() if number and name != 'empty')
    return f'{voxels or "nothing"}; unknown {100 * result.unknown.mean():.0f} % ({result.seconds:.2f} s)'


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine import explain_errors

    return explain_errors('infer.py', lambda: infer(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
