"""Which log-probabilities belong to the text that is shown."""

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.engines.chat.logprobs import LogprobRecorder, LogprobTrack
from model_runtime.events import TokenLogprob
from tests.checkpoints.words import train_tokenizer

pytestmark = pytest.mark.engines

A, B, C = (TokenLogprob(text, -1.0) for text in "abc")


@pytest.mark.promise("openai:logprobs")
def test_a_token_has_the_log_softmax_of_its_step_and_the_likeliest_in_its_place() -> None:
    tokenizer = train_tokenizer(600, ("<end>",))
    recorder = LogprobRecorder(2, tokenizer)
    logits = np.random.default_rng(1).normal(size=(2, 600)).astype(np.float32) * 4

    for row in logits:
        recorder.record(mx.array(row[None]))
    told = [recorder.take(token) for token in (300, 301)]

    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for row, token, logprob in zip(expected, (300, 301), told, strict=True):
        likeliest = np.argsort(-row)[:2]
        assert logprob.token == tokenizer.decode([token])
        assert logprob.logprob == pytest.approx(row[token], abs=1e-3)
        assert [top.token for top in logprob.top] == [tokenizer.decode([one]) for one in likeliest]
        assert [top.logprob for top in logprob.top] == pytest.approx(row[likeliest], abs=1e-3)


def test_log_probabilities_wait_for_their_text_and_what_is_never_shown_has_none() -> None:
    track = LogprobTrack()

    track.add(A, 1)
    track.add(B, 2)
    shown = [track.release(0), track.release(1), track.release(1)]
    track.add(C, 1)

    assert shown == [(), (A,), (B,)]
    assert track.release(1) == ()
    assert track.release_all() == (C,)


def test_a_token_that_decodes_to_nothing_yet_is_told_with_the_next_text() -> None:
    track = LogprobTrack()

    track.add(A, 0)
    nothing = track.release(0)
    track.add(B, 1)

    assert (nothing, track.release(1)) == ((), (A, B))
