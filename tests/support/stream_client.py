"""A browser session without a browser: Streamlit's own messages over its WebSocket.

Twenty Chromiums would fight the server for its cores; this asks the server for the same things as
the page does (one script run a click, all elements sent) and reads every answer to its end.
"""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

MOST = 64 << 20  # bytes of one message


@dataclass
class Answer:
    """What one script run sent: its buttons by key, its words, and how long it took."""

    seconds: float = 0.0
    received: int = 0  # bytes
    buttons: dict[str, str] = field(default_factory=dict)  # user key to element id
    words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # addresses of pictures and downloads
    deferred: list[str] = field(default_factory=list)  # ids of downloads that are made when asked
    elements: int = 0
    components: dict[str, tuple[str, str]] = field(default_factory=dict)  # name to id and data
    fragments: set[str] = field(default_factory=set)
    session: str = ""
    redirect: str = ""  # where a login leads

    def says(self, part: str) -> bool:
        return any(part in word for word in self.words)


class StreamClient:
    """One session: opened on an address, then clicked."""

    def __init__(
        self,
        url: str,
        query: str,
        page: str = "",
        headers: dict[str, str] | None = None,
        token: str = "",
        ping: float | None = 20,  # seconds; browsers ask for no sign of life
    ) -> None:
        self.query, self.kept = query, query
        self.page = ""
        address = url.replace("http://", "ws://") + "/_stcore/stream"
        self.stack = ExitStack()
        socket = connect(
            address,
            subprotocols=["streamlit", *([token] if token else [])],
            max_size=MOST,
            ping_interval=ping,
            origin=(headers or {}).get("Origin"),
            additional_headers={k: v for k, v in (headers or {}).items() if k != "Origin"},
        )
        self.socket = self.stack.enter_context(socket)
        first = BackMsg()
        first.rerun_script.page_name = page
        self.answer = self._run(first)

    def again(self) -> Answer:
        """The same page once more, as after any change of a widget."""
        self.answer = self._run(BackMsg())
        return self.answer

    def click(self, key: str) -> Answer:
        """Press the button with that key and wait for the run to end."""
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add()
        state.id, state.trigger_value = self.answer.buttons[key], True
        self.answer = self._run(message)
        return self.answer

    def tell(self, component: str, event: str, value: object, fragment: str = "") -> None:
        """Send an event of a component with this id, as its script would; wait for nothing."""
        message = BackMsg()
        message.rerun_script.fragment_id = fragment
        message.rerun_script.query_string = self.query
        message.rerun_script.page_script_hash = self.page
        state = message.rerun_script.widget_states.widgets.add()
        state.id = f"$$STREAMLIT_INTERNAL_KEY_{component}__events"
        state.json_trigger_value = json.dumps([{"event": event, "value": value}])
        self.socket.send(message.SerializeToString())

    def close(self) -> None:
        self.stack.close()

    def _run(self, message: BackMsg) -> Answer:
        message.rerun_script.query_string = self.query
        if self.page:
            message.rerun_script.page_script_hash = self.page
        started = time.perf_counter()
        self.socket.send(message.SerializeToString())
        answer = Answer()
        while True:
            data = self.socket.recv(timeout=600)
            answer.received += len(data)
            if self._read(ForwardMsg.FromString(data), answer):
                answer.seconds = time.perf_counter() - started
                return answer

    def _read(self, message: ForwardMsg, answer: Answer) -> bool:
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            # What bound widgets wrote into the address stays there, as in a browser.
            told = message.page_info_changed.query_string
            self.query = told if self.kept in told else f"{self.kept}&{told}"
        elif kind == "new_session":
            answer.session = message.new_session.initialize.session_id
        elif kind == "auth_redirect":
            answer.redirect = message.auth_redirect.url
            return True
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            _note(message.delta.new_element, answer)
            answer.fragments |= {message.delta.fragment_id} - {""}
        elif kind == "session_event" and message.session_event.HasField(
            "script_compilation_exception"
        ):
            answer.faults.append(message.session_event.script_compilation_exception.message)
        elif kind == "script_finished":
            # A run that another one overtakes (a rerun from within) ends early; the next follows.
            return message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
        return False


def _note(element, answer):
    """Keep what a person could press or read."""
    kind = element.WhichOneof("type")
    answer.elements += 1
    if kind == "bidi_component":
        one = element.bidi_component
        answer.components[one.component_name.split(".")[-1]] = one.id, one.json or one.mixed.json
    if kind == "imgs":
        answer.files += [image.url for image in element.imgs.imgs]
    elif kind == "download_button":
        button = element.download_button
        answer.deferred += [button.deferred_file_id] if button.deferred_file_id else []
        answer.files += [button.url] if button.url else []
    if kind == "button":
        # The id ends with the key that the page gave it.
        answer.buttons[element.button.id.split("-", 2)[-1]] = element.button.id
    elif kind == "markdown":
        answer.words.append(element.markdown.body)
    elif kind == "text":
        answer.words.append(element.text.body)
    elif kind == "exception":
        answer.faults.append(element.exception.message)
    elif kind == "alert":
        answer.words.append(element.alert.body)
        if "Something went wrong" in element.alert.body:
            answer.faults.append(element.alert.body)
