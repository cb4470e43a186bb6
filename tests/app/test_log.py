"""What the server's log holds: what went wrong and where, made visible, and no secret."""

from browser import free_port
from oidc_provider import SECRET, server_with_login
from streamlit.testing.v1 import AppTest
from visitor import Visitor

PAGES = ("home", "", "select", "triage", "cleansing", "evaluation", "history")
PASSWORD = "correct-horse-battery"


def test_neither_a_page_nor_the_log_holds_a_password_a_cookie_or_a_code(tmp_path):
    database = f"postgresql+psycopg://ann:{PASSWORD}@127.0.0.1:{free_port()}/reviews"
    with server_with_login(tmp_path, "ann@example.org", TURNOVER_DATABASE_URL=database) as url:
        ann = Visitor(url).log_in()
        session = "".join(one.value for one in ann.jar if one.name.startswith("_streamlit_user"))
        assert len(session) > 40
        told = []
        for page in PAGES:
            stream = ann.stream("project=reviews", page)
            told += stream.answer.words
            stream.close()
    assert any("Connection refused" in word for word in told)  # no database answers there
    log = (tmp_path / "server.log").read_text("utf-8")
    assert url in log
    for secret in (PASSWORD, SECRET, "x" * 40, session[:40], "code=once"):
        assert secret not in "\n".join([log, *told])


def breaks():
    from pages.ui.frame.shell import in_one_sentence

    with in_one_sentence():
        raise RuntimeError("a cell: \x1b]0;owned\x07 \u202e")


def test_what_nobody_foresaw_is_one_sentence_and_its_traceback_cannot_act(caplog):
    test = AppTest.from_function(breaks).run()
    assert [box.value for box in test.error] == [
        "Something went wrong. The details are in the server's log; reload the page, and tell us "
        "if it happens again."
    ]
    assert not test.exception
    assert "in breaks" in caplog.text
    assert "⟨U+001B⟩" in caplog.text
    for acting in ("\x1b", "\x07", "\u202e"):
        assert acting not in caplog.text
