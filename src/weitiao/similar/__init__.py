"""Near-duplicates: which texts say the same but for an edit, found without comparing all with all.

Two texts are compared by what is left of them without punctuation, space, case and width (`matching_key`), cut into
overlapping pieces: two characters for Chinese, Japanese and Korean texts below 50 characters, of which one edit would
break too many longer pieces, five characters for all others. They are alike when enough of their pieces are common
(Jaccard), or when one character inserted, deleted, replaced or moved turns one into the other.

The search is the set-similarity join with a prefix filter (Chaudhuri et al. 2006, Xiao et al. 2008): a pair that is
alike shares one of its rarest pieces, so only texts that do are compared, and those exactly. Memory grows with the
characters (about 50 bytes each at the peak), time with the characters and the pairs that share a rare piece. For more
texts than that, `large` keeps them on disk and lets signatures name the pairs to compare.
"""

from weitiao.similar.held import INSIDE, Holding, Items
from weitiao.similar.join import SHORT, Likeness, Pairs, connected, kept_twins, near_pairs
from weitiao.similar.keys import (
    COMPARED,
    Flags,
    Ints,
    compared,
    distinct,
    first_of_each,
    is_filled,
    matching_key,
    numbers,
)

__all__ = [
    "COMPARED",
    "INSIDE",
    "SHORT",
    "Flags",
    "Holding",
    "Ints",
    "Items",
    "Likeness",
    "Pairs",
    "compared",
    "connected",
    "distinct",
    "first_of_each",
    "is_filled",
    "kept_twins",
    "matching_key",
    "near_pairs",
    "numbers",
]
