"""Pages over time, the index, films, and the layers of the live viewer."""

import math
import re
import urllib.request

import cv2
import numpy as np
import pytest
from PIL import Image

from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.visualization import (
    ERROR_PALETTE,
    PageFrame,
    Panorama,
    RideVideo,
    VideoError,
    write_index,
    write_ride_html,
)
from projects.OneOcc.oneocc.visualization.faces import SHADES, surface_faces, visible_faces
from projects.OneOcc.oneocc.visualization.html import panorama_of
from projects.OneOcc.oneocc.visualization.keyed_page import KeyedPage, own_page
from projects.OneOcc.oneocc.visualization.live_view import LAYERS, LiveView, ViewerError, layer_mesh
from projects.OneOcc.oneocc.visualization.ride import RideMoment
from tests.visualization.scenes import CLASSES, GRID, PALETTE, town
from tests.visualization.test_html import data_of, volume_of

BAND = View(EquirectCamera(96, 24, math.radians(-30), math.radians(40)), np.eye(4))


def frame(step: int = 0, **changes) -> PageFrame:
    image = np.full((24, 96, 3), 60 + 40 * step, np.uint8)
    entries = dict(name=f'f{step}', time=step / 2, panorama=Panorama(image, BAND), probability=np.full(GRID.shape, 0.5))
    return PageFrame({'prediction': np.roll(town(), step, axis=0)}, **{**entries, **changes})


def test_a_page_holds_every_frame(tmp_path):
    known = town() != 255
    path = write_ride_html(tmp_path / 'a.html', [frame(s, known=known) for s in range(3)], GRID, PALETTE, CLASSES)
    data = data_of(path.read_text())
    assert len(data['frames']) == 2 and data['known_caption'] == 'only what the camera can know'
    for step, entry in enumerate((data, *data['frames'])):
        np.testing.assert_array_equal(volume_of(entry['volumes'][0], GRID.shape), np.roll(town(), step, axis=0))
        np.testing.assert_array_equal(volume_of(entry['known'], GRID.shape).astype(bool), known)
        assert entry['name'] == f'f{step}' and entry['time'] == step / 2
        certain = volume_of(entry['probability'], GRID.shape)
        assert set(np.unique(certain)) == {0, 136} and ((certain > 0) == (np.roll(town(), step, axis=0) > 0)).all()
    assert data['panorama']['elevation_min'] == pytest.approx(math.radians(-30)) and data['panorama']['eye'] == [
        0,
        0,
        0,
    ]


def test_frames_of_a_page_are_alike(tmp_path):
    other = PageFrame({'something': town()}, 'odd')
    with pytest.raises(ValueError, match="frame 'odd': expected the volumes"):
        write_ride_html(tmp_path / 'a.html', [frame(), other], GRID, PALETTE, CLASSES)
    with pytest.raises(ValueError, match='at least one'):
        write_ride_html(tmp_path / 'a.html', [], GRID, PALETTE, CLASSES)
    assert not (tmp_path / 'a.html').exists()


def test_where_the_truth_is_known_is_the_default_of_the_switch(tmp_path):
    pair = PageFrame({'ground truth': town(), 'prediction': town()})
    data = data_of(write_ride_html(tmp_path / 'a.html', [pair], GRID, PALETTE, CLASSES).read_text())
    np.testing.assert_array_equal(volume_of(data['known'], GRID.shape).astype(bool), town() != 255)
    assert data['known_caption'] == 'only where truth is known'


def test_only_level_panoramas_are_shown():
    image = np.zeros((24, 96, 3), np.uint8)
    turned = View(BAND.camera, np.diag((-1.0, -1.0, 1.0, 1.0)))
    assert panorama_of({'equi': image}, {'equi': BAND}).view == BAND
    assert panorama_of({'equi': image}, {'equi': turned}) is None
    with pytest.raises(ValueError, match='level'):
        Panorama(image, turned)
    with pytest.raises(ValueError, match='96x24'):
        Panorama(image[:10], BAND)


def test_an_index_leads_to_every_frame(tmp_path):
    entries = [dict(id=f'<{i}>', html=f'{i} a.html', panorama=f'{i}.jpg', mismatches=['low & dark']) for i in range(3)]
    page = write_index(tmp_path / 'index.html', entries, 'T').read_text()
    assert page.count('<li>') == 3 and '0%20a.html' in page and '&lt;0&gt;' in page and 'low &amp; dark' in page


@pytest.mark.parametrize('kind', ['mp4', 'gif'])
def test_a_film_holds_every_frame(tmp_path, kind):
    film = RideVideo(tmp_path / f'ride.{kind}', GRID, PALETTE, CLASSES, fps=5)
    for step in range(3):
        film.add(frame(step))
    assert not (tmp_path / f'ride.{kind}').exists()
    path = film.close()
    if kind == 'gif':
        shown = Image.open(path)
        assert shown.n_frames == 3 and shown.info['duration'] == 200
    else:
        capture = cv2.VideoCapture(str(path))
        pictures = []
        while (found := capture.read())[0]:
            pictures.append(found[1])
        assert len(pictures) == 3 and capture.get(cv2.CAP_PROP_FPS) == pytest.approx(5)
        # the panorama, above, grows lighter
        tops = [picture[:150].mean() for picture in pictures]
        assert tops[0] + 20 < tops[1] < tops[2] - 20
    assert [item.name for item in tmp_path.iterdir()] == [f'ride.{kind}']


def test_films_of_another_kind_and_without_frames(tmp_path):
    with pytest.raises(VideoError, match="got '.avi'"):
        RideVideo(tmp_path / 'a.avi', GRID, PALETTE, CLASSES)
    with pytest.raises(VideoError, match='fps'):
        RideVideo(tmp_path / 'a.mp4', GRID, PALETTE, CLASSES, fps=0)
    with pytest.raises(VideoError, match='got none'):
        RideVideo(tmp_path / 'a.mp4', GRID, PALETTE, CLASSES).close()


class TownRide:
    """A ride of two moments."""

    name, grid, classes, palette = 'town', GRID, CLASSES, PALETTE

    def __init__(self, truth: bool = True) -> None:
        self.truth = truth

    def __len__(self) -> int:
        return 2

    def refresh(self) -> bool:
        return False

    def moment(self, index: int) -> RideMoment:
        guess = np.where(town() == 255, 2, town()).astype(np.uint8)
        guess[11:15, 11:15, 1:4] = 0
        volumes = {'ground truth': town(), 'prediction': guess} if self.truth else {'prediction': guess}
        sure = np.full(GRID.shape, 0.9)
        points = np.ones((5, 3), np.float32)
        image = np.zeros((24, 96, 3), np.uint8)
        return RideMoment(f'm{index}', index, volumes, sure, town() == 255, Panorama(image, BAND), points=points)


def test_surface_is_what_all_eyes_together_see():
    everything = {tuple(c.reshape(-1)) for c in surface_faces(town(), GRID).corners}
    seen = set()
    for eye in np.array(np.meshgrid((-99, 99), (-99, 99), (-99, 99))).reshape(3, -1).T:
        seen |= {tuple(c.reshape(-1)) for c in visible_faces(town(), GRID, eye).corners}
    assert everything == seen


def test_layers_have_their_colours():
    ride = TownRide()
    moment = ride.moment(0)
    for layer, shown, hidden in (
        ('ground truth', PALETTE[2], (255, 0, 0)),
        ('prediction', PALETTE[0], PALETTE[2]),
        ('error', ERROR_PALETTE[2], PALETTE[2]),
    ):
        colours = layer_mesh(ride, moment, layer).visual.vertex_colors[:, :3].astype(int)
        brightest = max(SHADES)
        assert (np.abs(colours - np.array(shown) * brightest).sum(axis=1) < 40).any(), layer
        assert not (np.abs(colours - np.array(hidden)).sum(axis=1) < 5).any(), layer
    for layer in LAYERS:
        assert layer_mesh(ride, moment, layer) is not None


def test_faces_look_outwards():
    mesh = layer_mesh(TownRide(), TownRide().moment(0), 'ground truth')
    assert mesh.is_winding_consistent or mesh.volume > 0
    merged = mesh.copy()
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    assert merged.volume == pytest.approx((town()[town() != 255] > 0).sum() * GRID.voxel_size**3)


def test_only_what_is_known_and_what_is_missing():
    ride = TownRide(truth=False)
    moment = ride.moment(0)
    assert layer_mesh(ride, moment, 'ground truth') is None and layer_mesh(ride, moment, 'error') is None
    everything, known = (layer_mesh(ride, moment, 'prediction', only) for only in (False, True))
    assert len(known.faces) < len(everything.faces)


def test_the_viewer_serves_rides_side_by_side():
    with pytest.raises(ViewerError, match='at least one ride'):
        LiveView([])
    viewer = LiveView([TownRide(), TownRide(truth=False)], port=0)
    try:
        assert {name.split('/')[1] for name in viewer._drawn} == {'ride0', 'ride1'}
        assert '/ride0/points' in viewer._drawn and '/ride0/camera' in viewer._drawn
        viewer._gui['points'].value = False
        viewer.draw()
        assert '/ride0/points' not in viewer._drawn
        viewer._gui['layer'].value = 'error'
        viewer.draw()
        assert '/ride0/voxels' in viewer._drawn and '/ride1/voxels' not in viewer._drawn
        viewer.show(1)
        assert viewer._gui['moment'].content.startswith('m1')
    finally:
        viewer.stop()


def test_the_own_page_asks_no_other_server_and_knows_keys():
    page = KeyedPage('127.0.0.1', 0, 9)
    try:
        shown = urllib.request.urlopen(page.address, timeout=10).read().decode()
        assert not re.findall(r'(?:src|href)="https?:[^"]*"', shown) and 'keydown' in shown
        asset = re.search(r'src="\./(assets/[^"]+)"', shown)[1]
        assert urllib.request.urlopen(page.address.split('?')[0] + asset, timeout=10).status == 200
    finally:
        page.stop()


def test_scripts_of_others_are_left_out():
    text = '<head><script async src="https://x.example/a.js"></script><script>call()</script>'
    kept = own_page(text + '<script type="module" src="./own.js"></script></head><body></body>')
    assert 'x.example' not in kept and 'call()' not in kept and './own.js' in kept
