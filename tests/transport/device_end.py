"""A device's end of the serial link, in Python: the bridge's end with the frames turned round."""

from atoll.transport.serial_link import Message, SerialLink, decode_frame, encode_frame


def turned(data):
    """Frames with the bit that says which end sent them the other way round."""
    frames = [decode_frame(line) for line in data.split(b"\0") if line]
    return b"".join(encode_frame(bytes([frame[0] ^ 0x80]) + frame[1:]) for frame in frames)


class DeviceEnd:
    """`receive` and `output` as on the line; `messages` what the bridge has said."""

    def __init__(self, now, session=1):
        self.link = SerialLink(session, now, window=2)
        self._line = b""
        self._heard = []
        self.ready = 0

    def receive(self, data, now):
        *frames, self._line = (self._line + data).split(b"\0")
        for event in self.link.receive(turned(b"\0".join([*frames, b""])), now):
            if isinstance(event, Message):
                self._heard.append((event.kind, event.data))
            else:
                self.ready += 1

    def output(self, now):
        return turned(self.link.output(now))

    def send(self, kind, data=b""):
        return self.link.send(kind, data)

    def messages(self):
        heard, self._heard = self._heard, []
        return heard
