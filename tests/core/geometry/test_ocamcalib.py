import re

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


def test_contradicting_polynomials_are_noticed_and_refitted(tmp_path):
    published, repaired = (ocam(f'PAL_lfvio_down_{n}') for n in ('README', 'p3_sign_fixed'))
    assert disagreement_px(repaired, (160, 470)) < 0.01
    assert disagreement_px(published, (160, 470)) > 50
    write_ocamcalib(tmp_path / 'calib.txt', published)
    with pytest.raises(ValueError, match=r'calib.txt: .*disagree by 9\d\.\d\d px.*refit=True'):
        TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt', radius_range=(160, 470))
    camera = TaylorCamera.from_ocamcalib(tmp_path / 'calib.txt', radius_range=(160, 470), refit=True)
    assert camera.elevation_range != pal().elevation_range


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
