"""*Verify* on the Errors page: an outcome stays with its question."""

from errors_page import start, worst


def sentences(test):
    return [e.value.replace("\\", "") for e in [*test.info, *test.success]]


def test_an_outcome_stays_until_another_question_is_asked():
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}")
    test.button(key="proof_go").click().run()
    assert any("of 10 retrainings" in s for s in sentences(test))
    assert "proof_cancel" not in {b.key for b in test.button}
    test.number_input(key="proof_k").set_value(3).run()
    assert any("of 10 retrainings" in s for s in sentences(test))
    test.segmented_control(key="proof_side").set_value("harmful").run()
    assert not any("of 10 retrainings" in s for s in sentences(test))
    assert not test.exception
