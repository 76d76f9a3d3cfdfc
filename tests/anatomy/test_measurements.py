"""Measurements against closed forms: discs, annuli, ellipses, cylinders and half-ellipsoids."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, convert
from cmr_synth.anatomy.measurements import (
    DENSITY_G_PER_ML,
    SECTORS,
    anterior_insertion_angle,
    areas_mm2,
    ejection_fraction,
    lv_to_myocardium_ratio,
    mass_g,
    rv_to_lv_ratio,
    volumes_ml,
    wall_thickness_mm,
)
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError

SPACINGS = [(1.5, 1.5), (0.75, 0.75), (1.2, 1.8)]


def polar(spacing, *, offset=(0.0, 0.0)):
    """Radius in mm and angle of every pixel of a 150 mm field of view."""
    axes = [
        (np.arange(round(150 / step)) - (round(150 / step) - 1) / 2) * step - shift
        for step, shift in zip(spacing, offset, strict=True)
    ]
    y, x = np.meshgrid(*axes, indexing="ij")
    return np.hypot(y, x), np.arctan2(y, x)


def annulus(spacing, inner=25.0, outer=34.0, **options):
    radius, _ = polar(spacing, **options)
    labels = np.zeros(radius.shape, np.uint8)
    labels[radius <= outer] = MYO
    labels[radius <= inner] = LV
    return labels


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_of_an_annulus(spacing):
    areas = areas_mm2(annulus(spacing), spacing)
    assert areas["LV"] == pytest.approx(np.pi * 25**2, rel=0.015)
    assert areas["MYO"] == pytest.approx(np.pi * (34**2 - 25**2), rel=0.02)
    assert areas["RV"] == 0


def test_ratios_of_an_annulus():
    labels = annulus((0.75, 0.75))
    assert lv_to_myocardium_ratio(labels) == pytest.approx(25**2 / (34**2 - 25**2), rel=0.02)
    assert rv_to_lv_ratio(labels) == 0
    rv = labels.copy()
    rv[labels == LV] = RV
    rv[labels == MYO] = LV
    assert rv_to_lv_ratio(rv) == pytest.approx(25**2 / (34**2 - 25**2), rel=0.02)


def test_ratio_without_denominator_is_nan():
    assert np.isnan(lv_to_myocardium_ratio(np.full((4, 4), LV)))
    assert np.isnan(rv_to_lv_ratio(np.full((4, 4), RV)))


def test_unlabelled_is_unknown_and_not_zero():
    labels = annulus((1.5, 1.5))
    labels[labels == MYO] = 255
    areas = areas_mm2(labels, (1.5, 1.5))
    assert np.isnan(areas["MYO"])
    assert np.isnan(areas["RV"])
    assert areas["LV"] > 0
    assert np.isnan(lv_to_myocardium_ratio(labels))
    assert np.isnan(mass_g(labels[np.newaxis], (8, 1.5, 1.5)))


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.4, -0.6)])
@pytest.mark.parametrize(("inner", "outer"), [(25.0, 34.0), (12.0, 27.0), (36.0, 42.0)])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_wall_thickness_of_an_annulus(spacing, inner, outer, offset):
    thickness = wall_thickness_mm(
        annulus(spacing, inner, outer, offset=offset), spacing, anterior_insertion=0.3
    )
    assert tuple(thickness) == SECTORS
    values = np.array(list(thickness.values()))
    # A circle in pixels wobbles, and the nearest point of a wobbling outline is a little near.
    assert values == pytest.approx(outer - inner, abs=max(spacing) / 3)
    assert values.mean() == pytest.approx(outer - inner, abs=max(spacing) / 4)


def test_thickness_of_shifted_circles_is_thin_on_one_side():
    """Circles whose centres are d apart lie outer - inner - d cos(angle) apart."""
    spacing = (0.75, 0.75)
    labels = np.zeros((200, 200), np.uint8)
    labels[polar(spacing)[0] <= 34] = MYO
    labels[polar(spacing, offset=(0, 4))[0] <= 24] = LV  # 4 mm to the right: the wall is thin there
    # An insertion at 30 degrees puts the middle of the anteroseptal sector at 0, the thin side.
    thickness = wall_thickness_mm(labels, spacing, anterior_insertion=np.deg2rad(30))
    assert thickness["anteroseptal"] == pytest.approx(10 - 4 * np.sinc(1 / 6), abs=0.3)
    assert thickness["inferolateral"] == pytest.approx(10 + 4 * np.sinc(1 / 6), abs=0.3)


def test_sectors_follow_the_display():
    """Thicken one sector at a time and see the number that belongs to it change."""
    spacing = (0.75, 0.75)
    radius, angle = polar(spacing)
    plain = wall_thickness_mm(annulus(spacing), spacing, anterior_insertion=np.deg2rad(-120))
    middles = {  # degrees clockwise from the right on the screen; the RV is on the left (180)
        "anterior": -90,
        "anteroseptal": -150,
        "inferoseptal": 150,
        "inferior": 90,
        "inferolateral": 30,
        "anterolateral": -30,
    }
    for sector, middle in middles.items():
        away = np.abs(np.angle(np.exp(1j * (angle - np.deg2rad(middle)))))
        thick = annulus(spacing)
        thick[(radius > 34) & (radius <= 38) & (away < np.deg2rad(35))] = MYO
        thickness = wall_thickness_mm(thick, spacing, anterior_insertion=np.deg2rad(-120))
        gain = {name: thickness[name] - plain[name] for name in SECTORS}
        assert max(gain, key=gain.get) == sector
        assert gain[sector] > 3


@pytest.mark.parametrize("middle", [180, 150, -135, -100])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_anterior_insertion_is_the_clockwise_end_of_the_septum(spacing, middle):
    radius, angle = polar(spacing)
    labels = annulus(spacing)
    away = np.angle(np.exp(1j * (angle - np.deg2rad(middle))))
    labels[(radius > 34) & (radius < 50) & (np.abs(away) < np.deg2rad(50))] = RV
    found = anterior_insertion_angle(labels, spacing)
    error = np.angle(np.exp(1j * (found - np.deg2rad(middle + 50))))
    assert np.rad2deg(np.abs(error)) < 3  # 1.8 mm at 34 mm


def test_insertion_survives_a_line_of_background_at_the_septum():
    radius, angle = polar((1.5, 1.5))
    labels = annulus((1.5, 1.5))
    left = np.abs(np.angle(np.exp(1j * (angle - np.pi)))) < 1
    labels[(radius > 35.6) & (radius < 50) & left] = RV
    assert np.rad2deg(anterior_insertion_angle(labels, (1.5, 1.5))) == pytest.approx(
        np.rad2deg(1 - np.pi), abs=3
    )


def test_sector_without_wall_is_nan():
    labels = annulus((1.5, 1.5))
    _, angle = polar((1.5, 1.5))
    labels[(labels == MYO) & (np.abs(angle - np.deg2rad(30)) < np.deg2rad(32))] = 0
    thickness = wall_thickness_mm(labels, (1.5, 1.5), anterior_insertion=np.deg2rad(-120))
    assert np.isnan(thickness["inferolateral"])
    assert thickness["anteroseptal"] == pytest.approx(9, abs=0.3)


def test_drawn_heart_has_a_septum_on_the_left():
    angle = np.rad2deg(anterior_insertion_angle(draw_slice(seed=0), (1.5, 1.5)))
    assert -160 < angle < -60  # up and to the left


def test_volume_and_mass_of_a_cylinder():
    spacing = (8.0, 0.75, 0.75)
    stack = np.stack([annulus(spacing[1:])] * 10)
    volumes = volumes_ml(stack, spacing)
    assert volumes["LV"] == pytest.approx(np.pi * 2.5**2 * 8, rel=0.01)
    assert mass_g(stack, spacing) == pytest.approx(
        np.pi * (3.4**2 - 2.5**2) * 8 * DENSITY_G_PER_ML, rel=0.02
    )


def test_volume_of_half_an_ellipsoid():
    """Discs at the middle of each slice: the error falls with the square of their thickness."""
    radius, _ = polar((0.75, 0.75))
    heights = np.arange(2.5, 80, 5)
    stack = np.stack([(radius <= 28 * np.sqrt(1 - (z / 80) ** 2)) * LV for z in heights])
    expected = 2 / 3 * np.pi * 2.8**2 * 8
    assert volumes_ml(stack, (5.0, 0.75, 0.75))["LV"] == pytest.approx(expected, rel=0.01)


def test_volume_is_proportional_to_each_spacing():
    stack = draw_stack()
    once = volumes_ml(stack, (8.0, 1.5, 1.5))
    for spacing in ((16.0, 1.5, 1.5), (8.0, 3.0, 1.5), (8.0, 1.5, 3.0)):
        twice = volumes_ml(stack, spacing)
        assert all(twice[name] == pytest.approx(2 * once[name]) for name in once)


def test_ejection_fraction():
    assert ejection_fraction(120.0, 48.0) == pytest.approx(0.6)
    assert ejection_fraction(48.0, 120.0) < 0


@pytest.mark.parametrize(("ed", "es"), [(0.0, 0.0), (float("nan"), 50.0), (100.0, float("nan"))])
def test_no_ejection_fraction_without_both_phases(ed, es):
    with pytest.raises(InputError, match="both phases need a segmented ventricle"):
        ejection_fraction(ed, es)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: areas_mm2(np.zeros((2, 4, 4)), (1, 1)), "3 dimensions, expected one slice"),
        (lambda: volumes_ml(np.zeros((4, 4)), (8, 1, 1)), "2 dimensions, expected a stack"),
        (lambda: areas_mm2(np.zeros((4, 4)), (0, 1)), "2 positive numbers"),
        (lambda: volumes_ml(np.zeros((2, 4, 4)), (1, 1)), "3 positive numbers"),
        (
            lambda: wall_thickness_mm(np.full((4, 4), LV), (1, 1)),
            "needs both the LV blood pool and the myocardium",
        ),
        (lambda: wall_thickness_mm(annulus((1.5, 1.5)), (1.5, 1.5)), "no RV beside the septum"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_hypertrophic_patients_have_thicker_walls_and_dilated_ones_lower_ef(data_root):
    """The groups of ACDC were assigned by radiologists; our numbers must tell them apart."""
    folder = data_root / "acdc" / "training"
    if not folder.is_dir():
        pytest.skip("no ACDC patients in the data folder")
    measured: dict[str, list[tuple[float, float]]] = {}
    for patient in sorted(folder.iterdir())[::4]:
        info = dict(line.split(": ") for line in (patient / "Info.cfg").read_text().splitlines())
        stacks = {}
        for phase in ("ED", "ES"):
            file = patient / f"{patient.name}_frame{int(info[phase]):02d}_gt.nii.gz"
            scan = nib.load(file)
            spacing = tuple(float(step) for step in scan.header.get_zooms()[::-1])
            mask = np.asarray(scan.dataobj).astype(np.uint8).T  # (x, y, z) -> (z, y, x)
            stacks[phase] = convert(mask, "acdc", name=file.name)
        volumes = [volumes_ml(stacks[phase], spacing)["LV"] for phase in ("ED", "ES")]
        largest = max(stacks["ED"], key=lambda labels: np.count_nonzero(labels == MYO))
        wall = wall_thickness_mm(largest, spacing[1:], anterior_insertion=0.0)
        thickest = float(np.nanmax(list(wall.values())))
        measured.setdefault(info["Group"].strip(), []).append(
            (ejection_fraction(*volumes), thickest)
        )
    median = {group: np.median(values, axis=0) for group, values in measured.items()}
    assert median["DCM"][0] < 0.35 < 0.5 < median["NOR"][0] < 0.75
    assert median["HCM"][1] > 13 > median["NOR"][1]
