from itertools import pairwise

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from weitiao.model.segments import attend

torch.set_num_threads(1)


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (6, 2), (3, 1)])
@pytest.mark.parametrize("ends", [[0, 7], [0, 1, 80, 81, 300], [0, 200, 361]])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_it_is_the_librarys_attention(
    heads: int, groups: int, ends: list[int], dtype: torch.dtype, within: float
) -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = [(1, heads, ends[-1], 16), *[(1, groups, ends[-1], 16)] * 2]
    given = [torch.randn(shape, generator=draw).to(dtype) for shape in shapes]
    share = torch.randn(shapes[0], generator=draw).to(dtype)
    ours = [one.clone().requires_grad_() for one in given]
    plain = [one.float().requires_grad_() for one in given]
    found = attend(ours[0], ours[1], ours[2], ends, 0.25)
    q, k, v = plain
    pieces = [
        scaled_dot_product_attention(
            q[:, :, a:b], k[:, :, a:b], v[:, :, a:b], is_causal=True, scale=0.25, enable_gqa=True
        )
        for a, b in pairwise(ends)
    ]
    wanted = torch.cat(pieces, dim=2)
    found.backward(share)
    wanted.backward(share.float())
    for mine, theirs in [
        (found, wanted),
        *((mine.grad, theirs.grad) for mine, theirs in zip(ours, plain, strict=True)),
    ]:
        assert mine is not None
        assert theirs is not None
        assert mine.dtype == dtype
        assert (mine.float() - theirs).norm() <= within * theirs.norm()
