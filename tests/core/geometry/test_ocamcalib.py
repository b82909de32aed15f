import re
from dataclasses import replace

import numpy as np
import pytest

from projects.OneOcc.core.geometry import TaylorCamera, read_ocamcalib, refit_inverse, write_ocamcalib
from projects.OneOcc.core.geometry.ocamcalib import camera_parameters, disagreement_px
from tests.core.geometry.lenses import DATA, ocam, pal, skewed

FILES = sorted(DATA.glob('calib_results*.txt'))
PAL = DATA / 'calib_results_pal_1216.txt'


def test_reads_numbers_in_the_files_own_conventions():
    calib = read_ocamcalib(PAL)
    assert calib.direct == (-2.463506e02, 0.0, 1.872966e-03, -2.284953e-06, 5.082365e-09)
    assert len(calib.inverse) == 14 and calib.inverse[0] == 376.943961
    assert calib.center == (485.978236, 645.104835)
    assert calib.affine == (1.000045, 0.000016, -0.000022)
    assert (calib.height, calib.width) == (960, 1280)
    assert calib.radius_range is None and calib.extras == {}


def test_converts_row_column_and_signs_once():
    parameters = camera_parameters(read_ocamcalib(PAL), (160, 470))
    assert parameters['principal_point'] == (645.604835, 486.478236)
    assert parameters['affine'] == ((1.0, -0.000022), (0.000016, 1.000045))
    assert parameters['coefficients'][:3] == (376.943961, -246.867309, 17.112154)
    assert parameters['direct'][0] == 246.3506


def test_extra_sections_are_kept_and_the_roi_becomes_the_annulus():
    calib = read_ocamcalib(DATA / 'calib_results_annular_roi.txt')
    assert calib.extras == {'ROI max min radius': (600.0, 235.0), 'left right cropped pixel': (300.0, 320.0)}
    assert calib.radius_range == (235.0, 600.0)
    camera = TaylorCamera.from_ocamcalib(DATA / 'calib_results_annular_roi.txt')
    assert camera.radius_range == (235.0, 600.0)


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)
def test_written_files_read_back_equal(path, tmp_path):
    calib = read_ocamcalib(path)
    write_ocamcalib(tmp_path / 'calib.txt', calib)
    assert read_ocamcalib(tmp_path / 'calib.txt') == calib


@pytest.mark.parametrize('camera', [pal(), pal().resized(320, 240), skewed()], ids=str)
def test_a_camera_survives_the_file(camera, tmp_path):
    write_ocamcalib(tmp_path / 'calib.txt', camera.to_ocamcalib())
    again = TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt')
    pixels = camera.pixel_centers()[::7, ::7]
    rays, valid = camera.unproject(pixels)
    assert bool((valid == again.unproject(pixels)[1]).all())
    assert float((again.project(rays)[0] - pixels)[valid].norm(dim=-1).max()) < 1e-6


def test_matlab_order_is_an_option_and_noticed_when_forgotten(tmp_path):
    calib = read_ocamcalib(PAL)
    text = PAL.read_text()
    for polynomial in (calib.direct, calib.inverse):
        row = re.search(rf'^{len(polynomial)} .*$', text, re.M).group()
        reverse = ' '.join([row.split()[0], *row.split()[:0:-1]])
        text = text.replace(row, reverse)
    (tmp_path / 'matlab.txt').write_text(text)
    assert read_ocamcalib(tmp_path / 'matlab.txt', order='descending') == calib
    with pytest.raises(ValueError, match="matlab.txt.*order='descending'"):
        read_ocamcalib(tmp_path / 'matlab.txt')


@pytest.mark.parametrize(
    'old, new, words',
    [
        ('14 376.94', '15 376.94', 'announces 15 coefficients, but 14'),
        ('376.943961', 'abc', 'line 7: expected numbers'),
        ('376.943961', 'nan', 'finite'),
        ('485.978236 645.104835', '485.978236', 'center: expected 2'),
        ('485.978236 645.104835', '485.978236 1645.1', 'centre inside the 1280x960'),
        ('1.000045 0.000016', '0.0 0.000016', 'affine'),
        ('960 1280', '-960 1280', 'positive image size'),
        ('-2.463506e+02', '2.463506e+02', 'negative constant term'),
        ('#image size', '#something', 'missing size'),
        ('1.000045 0.000016', '1,000045 0,000016', 'line 15: expected numbers'),
        ('960 1280', '960.5 1280', 'whole pixels, got 960.5'),
        ('#center', '#polynomial DIRECT\n2 -246.0 0.1\n#center', 'one direct polynomial, got two'),
        ('#polynomial coefficients for the DIRECT', 'polynomial for the', 'comment line first'),
    ],
)
def test_nonsense_is_refused_with_the_files_name(tmp_path, old, new, words):
    broken = tmp_path / 'broken.txt'
    broken.write_text(PAL.read_text().replace(old, new))
    with pytest.raises(ValueError, match=f'broken.txt: .*{words}'):
        TaylorCamera.from_ocamcalib(broken)


def test_empty_and_missing_files(tmp_path):
    (tmp_path / 'empty.txt').write_text('')
    with pytest.raises(ValueError, match='empty.txt.*missing direct'):
        read_ocamcalib(tmp_path / 'empty.txt')
    with pytest.raises(FileNotFoundError, match='nowhere'):
        read_ocamcalib(tmp_path / 'nowhere.txt')


def test_contradicting_polynomials_are_told_and_the_direct_one_is_trusted(tmp_path, caplog):
    published, repaired = (ocam(f'PAL_lfvio_down_{n}') for n in ('README', 'p3_sign_fixed'))
    assert disagreement_px(repaired, (160, 470)) < 0.01
    assert disagreement_px(published, (160, 470)) > 50
    write_ocamcalib(tmp_path / 'calib.txt', published)
    with pytest.raises(ValueError, match=r'calib.txt: .*disagree by 9\d\.\d\d px.*refit=True'):
        TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt', radius_range=(160, 470), refit=False)
    with caplog.at_level('WARNING'):
        camera = TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt', radius_range=(160, 470))
    assert re.search(r'calib.txt: .*disagree by 9\d\.\d\d px.*160..470.*mistyped', caplog.text)
    assert camera == TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt', radius_range=(160, 470), refit=True)
    assert camera.elevation_range != pal().elevation_range


@pytest.mark.parametrize('name', ['PAL_lfvio_1216', 'ocamcalib_demo_fisheye', 'matsuren_fisheye220'])
@pytest.mark.parametrize('error_px', [0.65, 3.6])
def test_a_loose_inverse_is_replaced_with_a_warning_that_says_by_how_much(name, error_px, caplog):
    exact = ocam(name)
    radii = (0.0, 0.95 * min(exact.center[0], exact.height - exact.center[0]))
    loose = replace(exact, inverse=(exact.inverse[0] + error_px, *exact.inverse[1:]))
    with caplog.at_level('WARNING'):
        camera = TaylorCamera(**camera_parameters(loose, radii, source='theirs.txt'))
    told = re.search(r'theirs.txt: .*disagree by (\d+\.\d+) px', caplog.text)
    assert float(told[1]) == pytest.approx(error_px, abs=0.02) and 'mistyped' not in caplog.text
    pixels = camera.pixel_centers()[::29, ::29]
    direct = TaylorCamera(**camera_parameters(exact, radii), unproject_with='direct')
    rays, valid = direct.unproject(pixels)
    assert valid.any()
    assert float((camera.project(rays)[0] - pixels)[valid].norm(dim=-1).max()) < 0.01


def test_a_lens_that_folds_inside_its_band_is_refused(tmp_path):
    calib = replace(ocam('PAL_lfvio_up'), direct=(-244.0, 0.0, 1.7e-3, 0.0, 0.0, 0.0, -1e-13), inverse=())
    write_ocamcalib(tmp_path / 'folds.txt', calib)
    with pytest.raises(ValueError, match=r'folds.txt: .*elevation rises .*turns at \d'):
        TaylorCamera.from_ocamcalib(tmp_path / 'folds.txt')
    turn = float(re.search(r'turns at ([\d.]+)', str(_error(tmp_path / 'folds.txt')))[1])
    TaylorCamera.from_ocamcalib(tmp_path / 'folds.txt', radius_range=(0, turn - 10))


def _error(path):
    try:
        TaylorCamera.from_ocamcalib(path)
    except ValueError as error:
        return error


def test_an_inverse_that_folds_beside_a_sound_direct_one_is_fitted_anew(caplog):
    calib = ocam('PAL_lfvio_1216')
    folding = replace(calib, inverse=(376.9, 10.0, -300.0, -100.0))
    disagreement = disagreement_px(folding, (0, 470))
    with caplog.at_level('WARNING'):
        TaylorCamera(**camera_parameters(folding, (0, 470), tolerance_px=disagreement + 1))
    assert re.search('not monotone.*fitted anew', caplog.text)


def test_a_blind_centre_that_nobody_stated_is_told(caplog):
    with caplog.at_level('WARNING'):
        camera = TaylorCamera.from_ocamcalib(PAL)
    words = r'pal_1216.txt: .*no annulus radii.*within 473\.5 px of \(645\.6, 486\.5\).*radius_range.*mask'
    assert re.search(words, caplog.text) and camera.radius_range[0] == 0
    caplog.clear()
    with caplog.at_level('WARNING'):
        pal()
        TaylorCamera.from_ocamcalib(DATA / 'calib_results_annular_roi.txt')
        camera.mirrored().resized(640, 480)
    assert not caplog.records
    with caplog.at_level('WARNING'):
        TaylorCamera((60.0, -40.0), (50, 40), ((1, 0), (0, 1)), 100, 80)
    assert re.search(r'Taylor camera: .*within 40\.0 px of \(50\.0, 40\.0\)', caplog.text)


def layouts() -> dict[str, bytes]:
    """The same calibration as other hands lay it out."""
    text = PAL.read_text()
    blocks = [b for b in re.split(r'(?m)^(?=#)', text) if b.strip()]
    numbers = {
        k: b.split('\n', 1)[1].split() for k, b in zip(('direct', 'inverse', 'center', 'affine', 'size'), blocks)
    }
    width_first = text.replace('"height" and "width"', '"width" and "height"').replace('960 1280', '1280 960')
    column_first = text.replace('"row" and "column"', '"column" and "row"').replace(
        '485.978236 645.104835', '645.104835 485.978236'
    )
    from_one = text.replace('starting from 0 (C convention)', 'starting from 1').replace(
        '485.978236 645.104835', '486.978236 646.104835'
    )
    return {
        'windows': text.replace('\n', '\r\n').encode(),
        'old mac': text.replace('\n', '\r').encode(),
        'byte order mark': b'\xef\xbb\xbf' + text.encode(),
        'utf-16': text.encode('utf-16'),
        'no blank lines': re.sub(r'\n+', '\n', text).encode(),
        'many blank lines': text.replace('\n', '\n \t\n').encode(),
        'other order': ''.join(reversed(blocks)).encode(),
        'comments': (
            '# my camera, image size as below\n' + text.replace('\n', '\n# see the centre of that page\n', 1)
        ).encode(),
        'comments behind numbers': text.replace('\n960 1280', '\n960 1280   # pixels').encode(),
        'matlab comments': text.replace('#', '%').encode(),
        'tabs': text.replace(' ', '\t').encode(),
        'one number a line': '\n'.join(f'# {k}\n' + '\n'.join(v) for k, v in numbers.items()).encode(),
        'commas': '\n'.join(f'# {k}\n' + ', '.join(v) for k, v in numbers.items()).encode(),
        'no counts': '\n'.join(
            f'# {k}\n' + ' '.join(v[k in ('direct', 'inverse') :]) for k, v in numbers.items()
        ).encode(),
        'capitals': text.upper().replace('E+', 'e+').encode(),
        'exponents': re.sub(r'(?<![\d.eE+-])(\d{2,}\.\d+)', lambda m: repr(float(m[1]) / 1e3) + 'E+3', text).encode(),
        'width first': width_first.encode(),
        'column first': column_first.encode(),
        'counted from one': from_one.encode(),
        'affine the other way round': text.replace('"c", "d", "e"', '"e", "d", "c"')
        .replace('1.000045 0.000016 -0.000022', '-0.000022 0.000016 1.000045')
        .encode(),
        'whole affine matrix': text.replace('1.000045 0.000016 -0.000022', '1.000045 0.000016 -0.000022 1').encode(),
        'size with decimals': text.replace('960 1280', '960.0 1280.0').encode(),
    }


LAYOUTS = layouts()


@pytest.mark.parametrize('name', LAYOUTS)
def test_any_layout_gives_the_same_numbers(name, tmp_path):
    (tmp_path / 'calib.txt').write_bytes(LAYOUTS[name])
    found, expected = read_ocamcalib(tmp_path / 'calib.txt'), read_ocamcalib(PAL)
    for field in ('direct', 'inverse', 'center', 'affine'):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-14, err_msg=field)
    assert (found.height, found.width, found.extras) == (960, 1280, {})


def test_a_file_without_an_inverse_polynomial_gets_one(tmp_path, caplog):
    write_ocamcalib(tmp_path / 'calib.txt', replace(read_ocamcalib(PAL), inverse=()))
    assert 'invpol' not in (tmp_path / 'calib.txt').read_text()
    assert disagreement_px(read_ocamcalib(tmp_path / 'calib.txt'), (160, 470)) == np.inf
    with caplog.at_level('WARNING'):
        camera = TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt', radius_range=(160, 470))
    assert re.search('no inverse polynomial.*fitted anew', caplog.text)
    rays, valid = pal().unproject(pal().pixel_centers()[::31, ::31])
    assert float((camera.project(rays)[0] - pal().project(rays)[0])[valid].norm(dim=-1).max()) < 0.02


@pytest.mark.parametrize('flip_inverse', [False, True])
@pytest.mark.parametrize('with_inverse', [False, True])
def test_z_out_of_the_lens_is_recognised(tmp_path, caplog, flip_inverse, with_inverse):
    calib = read_ocamcalib(PAL)
    inverse = tuple(a * (-1) ** i for i, a in enumerate(calib.inverse)) if flip_inverse else calib.inverse
    text = PAL.read_text().replace(
        re.search(r'(?m)^5 .*$', PAL.read_text())[0], ' '.join(map(repr, [5, *(-a for a in calib.direct)]))
    )
    row = re.search(r'(?m)^14 .*$', text)[0]
    (tmp_path / 'calib.txt').write_text(text.replace(row, '14 ' + ' '.join(map(repr, inverse)) if with_inverse else ''))
    with caplog.at_level('WARNING'):
        found = read_ocamcalib(tmp_path / 'calib.txt')
    assert found == replace(calib, inverse=calib.inverse if with_inverse else ())
    assert 'z out of the lens' in caplog.text


def test_an_inverse_in_matlabs_order_is_recognised(tmp_path, caplog):
    calib = read_ocamcalib(PAL)
    write_ocamcalib(tmp_path / 'calib.txt', replace(calib, inverse=calib.inverse[::-1]))
    with caplog.at_level('WARNING'):
        assert read_ocamcalib(tmp_path / 'calib.txt') == calib
    assert "MATLAB's order" in caplog.text


def test_refit_reports_its_error_and_beats_the_file(caplog):
    calib = ocam('PAL_lfvio_up')
    assert disagreement_px(calib, (160, 470)) > 0.05
    coefficients, error = refit_inverse(calib, (160, 470))
    assert error < 0.002
    rho = np.linspace(160, 470, 777)
    elevation = np.arctan2(np.polyval(calib.direct[::-1], rho), rho)
    assert np.abs(np.polyval(coefficients[::-1], elevation) - rho).max() < 0.0021
    with caplog.at_level('INFO'):
        camera_parameters(calib, (160, 470), refit=True)
    assert 'max error' in caplog.text


def test_refit_refuses_a_direct_polynomial_that_folds():
    calib = ocam('PAL_lfvio_up')
    folded = type(calib)(
        (-244.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1e-13), calib.inverse, calib.center, calib.affine, calib.height, calib.width
    )
    with pytest.raises(ValueError, match='turns at'):
        refit_inverse(folded, (10, 470))
