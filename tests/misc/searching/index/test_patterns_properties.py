"""Indexes of drawn videos return what the similarities to all of them do."""

from helpers.exact_search import check_exact, embedded
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st


@given(case=embedded(), l2renorm=st.booleans(), k=st.integers(1, 50))
@examples(60)
def test_faiss_returns_what_brute_force_does(tmp_path_factory, case, l2renorm, k):
    check_exact(tmp_path_factory.mktemp("exact"), case, l2renorm, k)
