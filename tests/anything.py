"""Values that a client might send in place of what is expected."""

from hypothesis import strategies as st

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text()), st.just({})
)
