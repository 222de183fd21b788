"""What a picture looks like, as numbers: its colours, its edges, its textures and where light and dark lie.

No weights and no training: each part is a fixed formula over OpenCV's filters. A part is a unit vector, and they are
joined with the weights below, so an inner product is the weighted mean of how alike the parts are.

Built to stay where it is when a picture is changed without becoming another one:

* mirrored: of a grid of values the mean of it and its mirror image is kept, and the size of their difference, which
  both stay the same; halves would only repeat, so the left one is kept;
* resized, saved again: everything is measured on small, smoothed copies of a fixed size;
* lighter, darker: lightness as ranks or as a share of the median, colours as a share of the lightness, edges and
  textures by direction and not by strength;
* cropped, turned a little: coarse grids, smoothed over their cells' borders, and whole-picture histograms.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

SIDE = 128  # pixels a side for edges and textures; half of it for colours and layout
# Weight of each part's likeness. Chosen among twelve on photos, charts and scans; equal weights lose only grey copies
# (0.93 found against 0.98). benchmarks/visual_space.py --part measures each alone.
WEIGHTS = {"colour": 0.2, "edges": 0.3, "texture": 0.3, "layout": 0.2}

_DIRECTIONS = 9  # of edges, over half a turn: light to dark counts as dark to light
_EDGE_GRIDS = (1, 2, 4)
_GABOR_DIRECTIONS, _WAVELENGTHS_PX, _GABOR_GRID = 6, (4, 8, 16), 3
_GABOR_SIDE = 17  # pixels of a filter, four wavelengths and one
_LAYOUT_GRID = 8
_CHROMA_BINS, _LIGHTNESS_BINS = 9, 8  # for the whole picture
_REGION_CHROMA_BINS, _REGION_LIGHTNESS_BINS = 7, 5  # for each part of it
_CHROMA_LIMIT = 12.0  # square-rooted CIELAB chroma at the last bin


def parts(rgb: np.ndarray) -> dict[str, np.ndarray]:
    """Each part of the descriptor of a picture, (height, width, 3) uint8 of any size, as a float32 unit vector.

    A part that has nothing to say, such as the edges of an empty page, is all zero.
    """
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    tiny = cv2.resize(small, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(tiny.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return {"colour": _colour(lab), "edges": _edges(grey), "texture": _texture(grey), "layout": _layout(lab)}


def describe(rgb: np.ndarray) -> np.ndarray:
    """The descriptor of a picture, (DIMENSIONS,) float32 of unit length."""
    found = parts(rgb)
    return _unit(np.concatenate([WEIGHTS[name] ** 0.5 * part for name, part in found.items()]))


@cache
def dimensions() -> int:
    """Length of a descriptor."""
    return len(describe(np.zeros((SIDE, SIDE, 3), dtype=np.uint8)))


def _colour(lab: np.ndarray) -> np.ndarray:
    """Histograms of chroma and lightness of the whole picture, its upper and lower half, and its middle.

    Lightness and chroma are scaled by the picture's median lightness, which takes most of its exposure out. Square
    roots of shares, so the inner product is the Bhattacharyya coefficient.
    """
    lightness = lab[..., 0]
    scale = np.clip(50.0 / max(float(np.median(lightness)), 8.0), 0.4, 2.5)
    chroma = lab[..., 1:] * scale
    chroma = np.sign(chroma) * np.sqrt(np.abs(chroma))
    lightness = np.clip(lightness * scale, 0, 100)
    half, edge = lab.shape[0] // 2, lab.shape[0] // 5
    regions = (slice(0, half), slice(None)), (slice(half, None), slice(None)), (slice(edge, -edge), slice(edge, -edge))
    found = [_histograms(chroma, lightness, _CHROMA_BINS, _LIGHTNESS_BINS)]
    for where in regions:
        part = _histograms(chroma[where], lightness[where], _REGION_CHROMA_BINS, _REGION_LIGHTNESS_BINS)
        found.append(0.6 * part)
    return _unit(np.concatenate(found))


def _histograms(chroma: np.ndarray, lightness: np.ndarray, chroma_bins: int, lightness_bins: int) -> np.ndarray:
    a = _soft_bins(chroma[..., 0], chroma_bins, -_CHROMA_LIMIT, _CHROMA_LIMIT)
    b = _soft_bins(chroma[..., 1], chroma_bins, -_CHROMA_LIMIT, _CHROMA_LIMIT)
    light = _soft_bins(lightness, lightness_bins, 0, 100)
    return np.concatenate([np.sqrt((a.T @ b).ravel() / len(a)), 0.5 * np.sqrt(light.sum(0) / len(light))])


def _soft_bins(values: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    """(n_values, bins): each value shared between its two nearest bins."""
    place = np.clip((values.ravel() - low) / (high - low) * (bins - 1), 0, bins - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(bins, dtype=np.float32)), 0)


def _edges(grey: np.ndarray) -> np.ndarray:
    """Directions of edges, weighted by their strength, in the whole picture, in its quarters and in a 4 x 4 grid.

    Histograms of oriented gradients (Dalal, Triggs 2005) over a spatial pyramid (Lazebnik et al. 2006).
    """
    root = np.sqrt(grey)
    strength, angle = cv2.cartToPolar(cv2.Sobel(root, cv2.CV_32F, 1, 0), cv2.Sobel(root, cv2.CV_32F, 0, 1))
    place = np.asarray(angle, dtype=np.float32) * (_DIRECTIONS / np.pi) % _DIRECTIONS
    far = np.abs(place[..., None] - np.arange(_DIRECTIONS, dtype=np.float32))
    share = np.maximum(1 - np.minimum(far, _DIRECTIONS - far), 0) * strength[..., None]
    return _unit(np.concatenate([_over_grid(share, grid) for grid in _EDGE_GRIDS]))


def _texture(grey: np.ndarray) -> np.ndarray:
    """Strength of stripes of three widths in six directions, in a 3 x 3 grid, light and contrast evened out before.

    Gabor energy over a coarse grid, as the gist of a scene (Oliva, Torralba 2001).
    """
    spread = grey - cv2.GaussianBlur(grey, (0, 0), SIDE / 16)
    even = spread / (np.sqrt(cv2.GaussianBlur(spread * spread, (0, 0), SIDE / 16)) + 8)
    found = []
    for _ in _WAVELENGTHS_PX:  # the same filters on pictures of half the size see twice the wavelength
        energy = [cv2.magnitude(cv2.filter2D(even, -1, one), cv2.filter2D(even, -1, two)) for one, two in _filters()]
        found.append(_over_grid(np.stack(energy, axis=-1), _GABOR_GRID))
        even = cv2.pyrDown(even)
    return _unit(np.concatenate(found))


@cache
def _filters() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    wavelength = _WAVELENGTHS_PX[0]
    pairs = []
    for direction in range(_GABOR_DIRECTIONS):
        pair = []
        for phase in (0.0, np.pi / 2):
            one = cv2.getGaborKernel(
                (_GABOR_SIDE, _GABOR_SIDE),
                wavelength / 2,
                np.pi * direction / _GABOR_DIRECTIONS,
                wavelength,
                1.0,
                phase,
            )
            one = one - one.mean()
            pair.append((one / np.abs(one).sum()).astype(np.float32))
        pairs.append(tuple(pair))
    return tuple(pairs)


def _layout(lab: np.ndarray) -> np.ndarray:
    """Which places of an 8 x 8 grid are lighter than others, as ranks, and of which colour they are."""
    coarse = cv2.resize(
        cv2.GaussianBlur(lab, (0, 0), lab.shape[0] / 20), (_LAYOUT_GRID, _LAYOUT_GRID), interpolation=cv2.INTER_AREA
    )
    ranks = np.searchsorted(np.sort(coarse[..., 0].ravel()), coarse[..., 0]) / _LAYOUT_GRID**2 - 0.5
    ranks = np.where(np.ptp(coarse[..., 0]) < 0.5, 0.0, ranks)  # a plain picture has no lighter places
    return _unit(_mirrored(np.stack([ranks, coarse[..., 1] / 60, coarse[..., 2] / 60], axis=-1), turn=False))


def _over_grid(maps: np.ndarray, grid: int) -> np.ndarray:
    """Square roots of the means of (height, width, n_directions) maps over a grid, mirrored, less their common mean.

    Without the mean all pictures would look much alike: all its values are positive.
    """
    rows, columns = _windows(maps.shape[0], grid), _windows(maps.shape[1], grid)
    cells = np.tensordot(rows, np.tensordot(columns, maps, axes=(1, 1)), axes=(1, 1))  # columns come out last but one
    return _unit(_mirrored(np.sqrt(cells), turn=True))


@cache
def _windows(size: int, grid: int) -> np.ndarray:
    """(grid, size): for each cell the weight of each pixel, a bell that reaches into the neighbouring cells."""
    place = (np.arange(size, dtype=np.float32) + 0.5) / size * grid
    bells = np.exp(-0.5 * ((place - np.arange(grid)[:, None] - 0.5) / 0.5) ** 2)
    return (bells / bells.sum(1, keepdims=True)).astype(np.float32)


def _mirrored(cells: np.ndarray, *, turn: bool) -> np.ndarray:
    """What mirroring leaves as it is, of (rows, columns, n_values); `turn`: the values are strengths by direction."""
    mirror = cells[:, ::-1]
    if turn:
        mirror = mirror[..., -np.arange(cells.shape[-1]) % cells.shape[-1]]
    kept = (cells.shape[1] + 1) // 2
    same, other = (cells + mirror)[:, :kept] / 2, np.abs(cells - mirror)[:, :kept] / 2
    if turn:
        same = same - same.mean()
    return np.concatenate([same.ravel(), other.ravel()])


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 1e-6 else np.zeros_like(vector)).astype(np.float32)
