"""Bilinear samples of several maps as Triton kernels; imported only where Triton is installed.

Tuples hold one entry a scale. A program takes BLOCK_N points of one sample of the batch and all channels. Maps are
read by their strides, in any memory order; gradients of maps are (B, Hs, Ws, C). Sums of gradients are atomic, so
their last digits may differ from run to run.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _corner(k: tl.constexpr, x, y, rows, columns, WRAP: tl.constexpr):
    """Row, column and bilinear share of corner k: north-west, north-east, south-west, south-east."""
    x, y = x - 0.5, y - 0.5
    left, top = tl.floor(x), tl.floor(y)
    fx, fy = x - left, y - top
    column = left.to(tl.int32) + (k % 2)
    row = top.to(tl.int32) + (k // 2)
    share = (fx if k % 2 == 1 else 1 - fx) * (fy if k // 2 == 1 else 1 - fy)
    if WRAP:
        column = ((column % columns) + columns) % columns
    else:
        column = tl.minimum(tl.maximum(column, 0), columns - 1)
    return tl.minimum(tl.maximum(row, 0), rows - 1), column, share, fx, fy


@triton.jit
def _cells(map_, strides, b, row, column, c, inside):
    """Values (BLOCK_N, BLOCK_C) of cells of a map (B, C, H, W)."""
    base = b.to(tl.int64) * strides[0] + row.to(tl.int64) * strides[2] + column.to(tl.int64) * strides[3]
    return tl.load(map_ + base[:, None] + c[None, :] * strides[1], mask=inside, other=0.0)


@triton.jit
def _slopes(k: tl.constexpr, fx, fy):
    """How the share of corner k grows with x and with y."""
    across, down = (fy if k // 2 == 1 else 1 - fy), (fx if k % 2 == 1 else 1 - fx)
    return across if k % 2 == 1 else -across, down if k // 2 == 1 else -down


@triton.jit
def sample_forward(
    maps,
    strides,
    sizes,
    coords,
    masks,
    out,
    points,
    channels,
    SCALES: tl.constexpr,
    SUMMED: tl.constexpr,
    WRAP: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Samples at coords (B, S, N, 2) times masks (B, S, N) into out (B, N, C), or (B, S, N, C) if not SUMMED."""
    b = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    c = tl.arange(0, BLOCK_C)
    real = n < points
    inside = real[:, None] & (c < channels)[None, :]
    total = tl.zeros((BLOCK_N, BLOCK_C), EXACT)
    for s in tl.static_range(SCALES):
        at = (b * SCALES + s).to(tl.int64) * points + n
        x = tl.load(coords + 2 * at, mask=real, other=0.0)
        y = tl.load(coords + 2 * at + 1, mask=real, other=0.0)
        mask = tl.load(masks + at, mask=real, other=0.0)
        sampled = tl.zeros((BLOCK_N, BLOCK_C), EXACT)
        for k in tl.static_range(4):
            row, column, share, _, _ = _corner(k, x, y, sizes[s][0], sizes[s][1], WRAP)
            cells = _cells(maps[s], strides[s], b, row, column, c, inside).to(EXACT)
            sampled += (share * mask)[:, None] * cells
        if SUMMED:
            total += sampled
        else:
            tl.store(out + at[:, None] * channels + c[None, :], sampled.to(out.dtype.element_ty), mask=inside)
    if SUMMED:
        at = b.to(tl.int64) * points + n
        tl.store(out + at[:, None] * channels + c[None, :], total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def sample_backward(
    maps,
    strides,
    sizes,
    coords,
    masks,
    grad,
    grad_maps,
    grad_coords,
    grad_masks,
    points,
    channels,
    SCALES: tl.constexpr,
    SUMMED: tl.constexpr,
    WRAP: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Gradients of `sample_forward` from grad, (B, N, C) or (B, S, N, C); all are zeros before."""
    b = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    c = tl.arange(0, BLOCK_C)
    real = n < points
    inside = real[:, None] & (c < channels)[None, :]
    for s in tl.static_range(SCALES):
        at = (b * SCALES + s).to(tl.int64) * points + n
        row_of_grad = b.to(tl.int64) * points + n if SUMMED else at
        g = tl.load(grad + row_of_grad[:, None] * channels + c[None, :], mask=inside, other=0.0).to(EXACT)
        x = tl.load(coords + 2 * at, mask=real, other=0.0)
        y = tl.load(coords + 2 * at + 1, mask=real, other=0.0)
        mask = tl.load(masks + at, mask=real, other=0.0)
        of_mask = tl.zeros((BLOCK_N,), EXACT)
        of_x, of_y = tl.zeros((BLOCK_N,), EXACT), tl.zeros((BLOCK_N,), EXACT)
        for k in tl.static_range(4):
            row, column, share, fx, fy = _corner(k, x, y, sizes[s][0], sizes[s][1], WRAP)
            along = tl.sum(_cells(maps[s], strides[s], b, row, column, c, inside).to(EXACT) * g, axis=1)
            of_mask += share * along
            by_x, by_y = _slopes(k, fx, fy)
            of_x += by_x * along
            of_y += by_y * along
            cell = (b * sizes[s][0] + row).to(tl.int64) * sizes[s][1] + column
            where = grad_maps[s] + cell[:, None] * channels + c[None, :]
            tl.atomic_add(where, (share * mask)[:, None] * g, mask=inside & (mask != 0)[:, None])
        tl.store(grad_masks + at, of_mask, mask=real)
        tl.store(grad_coords + 2 * at, of_x * mask, mask=real)
        tl.store(grad_coords + 2 * at + 1, of_y * mask, mask=real)


@triton.jit
def scored_forward(
    maps,
    strides,
    sizes,
    pixels,
    valid,
    shifts,
    weight,
    bias,
    prior,
    out,
    log_sums,
    points,
    channels,
    height,
    width,
    SCALES: tl.constexpr,
    WRAP: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """`scored_view_sample` into out (B, N, C), the softmax summed on the way; log_sums (B, N) is for the backward."""
    b = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    c = tl.arange(0, BLOCK_C)
    at = b.to(tl.int64) * points + n
    seen = (n < points) & (tl.load(valid + at, mask=n < points, other=0) != 0)
    inside = seen[:, None] & (c < channels)[None, :]
    u = tl.load(pixels + 2 * at, mask=seen, other=0.0)
    v = tl.load(pixels + 2 * at + 1, mask=seen, other=0.0)
    most = tl.full((BLOCK_N,), float('-inf'), EXACT)
    mass = tl.zeros((BLOCK_N,), EXACT)
    total = tl.zeros((BLOCK_N, BLOCK_C), EXACT)
    for s in tl.static_range(SCALES):
        x = u * sizes[s][1] / width + tl.load(shifts + (b * SCALES + s) * 2)
        y = v * sizes[s][0] / height + tl.load(shifts + (b * SCALES + s) * 2 + 1)
        sampled = tl.zeros((BLOCK_N, BLOCK_C), EXACT)
        for k in tl.static_range(4):
            row, column, share, _, _ = _corner(k, x, y, sizes[s][0], sizes[s][1], WRAP)
            sampled += share[:, None] * _cells(maps[s], strides[s], b, row, column, c, inside).to(EXACT)
        w = tl.load(weight + s * channels + c, mask=c < channels, other=0.0)
        score = tl.sum(sampled * w[None, :], axis=1) + tl.load(bias + s)
        score += tl.load(prior + n * SCALES + s, mask=seen, other=0.0)
        higher = tl.maximum(most, score)
        before, now = tl.exp(most - higher), tl.exp(score - higher)
        total = total * before[:, None] + now[:, None] * sampled
        mass = mass * before + now
        most = higher
    total = total / mass[:, None]
    real = (n < points)[:, None] & (c < channels)[None, :]
    total = tl.where(seen[:, None], total, 0.0)
    tl.store(out + at[:, None] * channels + c[None, :], total.to(out.dtype.element_ty), mask=real)
    tl.store(log_sums + at, most + tl.log(mass), mask=n < points)


@triton.jit
def scored_backward(
    maps,
    strides,
    sizes,
    pixels,
    valid,
    shifts,
    weight,
    bias,
    prior,
    out,
    log_sums,
    grad,
    grad_maps,
    grad_coords,
    grad_scores,
    grad_weight,
    points,
    channels,
    height,
    width,
    SCALES: tl.constexpr,
    WRAP: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Gradients of `scored_forward`: maps (atomic), coordinates (B, S, N, 2), scores (B, S, N), weight (S, C)."""
    b = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    c = tl.arange(0, BLOCK_C)
    at = b.to(tl.int64) * points + n
    seen = (n < points) & (tl.load(valid + at, mask=n < points, other=0) != 0)
    inside = seen[:, None] & (c < channels)[None, :]
    u = tl.load(pixels + 2 * at, mask=seen, other=0.0)
    v = tl.load(pixels + 2 * at + 1, mask=seen, other=0.0)
    g = tl.load(grad + at[:, None] * channels + c[None, :], mask=inside, other=0.0).to(EXACT)
    lifted = tl.load(out + at[:, None] * channels + c[None, :], mask=inside, other=0.0).to(EXACT)
    mean = tl.sum(lifted * g, axis=1)  # of the slopes along the softmax: sum alpha_s V_s . g
    log_sum = tl.load(log_sums + at, mask=seen, other=0.0)
    for s in tl.static_range(SCALES):
        x = u * sizes[s][1] / width + tl.load(shifts + (b * SCALES + s) * 2)
        y = v * sizes[s][0] / height + tl.load(shifts + (b * SCALES + s) * 2 + 1)
        w = tl.load(weight + s * channels + c, mask=c < channels, other=0.0)
        sampled = tl.zeros((BLOCK_N, BLOCK_C), EXACT)
        for k in tl.static_range(4):
            row, column, share, _, _ = _corner(k, x, y, sizes[s][0], sizes[s][1], WRAP)
            sampled += share[:, None] * _cells(maps[s], strides[s], b, row, column, c, inside).to(EXACT)
        score = tl.sum(sampled * w[None, :], axis=1) + tl.load(bias + s)
        score += tl.load(prior + n * SCALES + s, mask=seen, other=0.0)
        alpha = tl.where(seen, tl.exp(score - log_sum), 0.0)
        of_score = alpha * (tl.sum(sampled * g, axis=1) - mean)
        of_sample = alpha[:, None] * g + of_score[:, None] * w[None, :]
        row_of_scale = (b * SCALES + s).to(tl.int64) * points + n
        tl.store(grad_scores + row_of_scale, of_score, mask=seen)
        of_weight = tl.sum(of_score[:, None] * sampled, axis=0)
        tl.atomic_add(grad_weight + s * channels + c, of_weight, mask=c < channels)
        of_x, of_y = tl.zeros((BLOCK_N,), EXACT), tl.zeros((BLOCK_N,), EXACT)
        for k in tl.static_range(4):
            row, column, share, fx, fy = _corner(k, x, y, sizes[s][0], sizes[s][1], WRAP)
            along = tl.sum(_cells(maps[s], strides[s], b, row, column, c, inside).to(EXACT) * of_sample, axis=1)
            by_x, by_y = _slopes(k, fx, fy)
            of_x += by_x * along
            of_y += by_y * along
            cell = (b * sizes[s][0] + row).to(tl.int64) * sizes[s][1] + column
            where = grad_maps[s] + cell[:, None] * channels + c[None, :]
            tl.atomic_add(where, share[:, None] * of_sample, mask=inside)
        tl.store(grad_coords + 2 * row_of_scale, of_x, mask=seen)
        tl.store(grad_coords + 2 * row_of_scale + 1, of_y, mask=seen)
