# SPDX-License-Identifier: Apache-2.0
"""Images and sound as data URLs. Bytes are taken as they are, not encoded anew.

`image_url` and `audio_url` return None for what is neither, and raise OSError for what cannot be loaded.
"""
import array
import base64
import io
import os
import wave

_IMAGES = {
    ".apng": "apng",
    ".bmp": "bmp",
    ".gif": "gif",
    ".ico": "ico",
    ".jpeg": "jpeg",
    ".jpg": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
_SOUNDS = {
    ".aac": "aac",
    ".aiff": "aiff",
    ".flac": "flac",
    ".m4a": "mp4",
    ".mp3": "mpeg",
    ".ogg": "ogg",
    ".wav": "wav",
}
_STARTS = {
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
_FETCH_SECONDS = 5
_MOST_BYTES = 64 << 20  # of one image or sound that is fetched


def image_url(value):
    if isinstance(value, str):
        kind = _IMAGES.get(_ending(value))
        content = _loaded(value) if kind else None
        return _data_url(f"image/{_sniffed(content) or kind}", content) if content is not None else None
    if isinstance(value, dict):
        value = value.get("bytes")
    if hasattr(value, "save") and hasattr(value, "format"):  # PIL.Image
        kind, buffer = value.format or "PNG", io.BytesIO()
        value.save(buffer, format=kind)
        return _data_url(f"image/{kind.lower()}", buffer.getvalue())
    if isinstance(value, bytes) and _sniffed(value):
        return _data_url(f"image/{_sniffed(value)}", value)
    return None


def audio_url(value):
    if isinstance(value, str):
        kind = _SOUNDS.get(_ending(value))
        content = _loaded(value) if kind else None
        return _data_url(f"audio/{kind}", content) if content is not None else None
    if isinstance(value, (bytes, bytearray)):
        return None if _sniffed(value) else _data_url("audio/wav", bytes(value))
    if isinstance(value, dict) and "sampling_rate" in value and hasattr(value.get("array"), "tolist"):
        return _data_url("audio/wav", _wav(value["array"].tolist(), int(value["sampling_rate"])))
    if isinstance(value, dict) and isinstance(value.get("path"), str) and _ending(value["path"]) in _SOUNDS:
        content = value.get("bytes")
        content = _loaded(value["path"]) if content is None else bytes(content)
        return _data_url(f"audio/{_SOUNDS[_ending(value['path'])]}", content) if content is not None else None
    return None


def _ending(text):
    """A data URL has none that counts."""
    return os.path.splitext(text)[1].lower() if len(text) < 4096 and not text.startswith("data:") else ""


def _loaded(place):
    """A file's or an address's bytes; None where the text is neither."""
    if place.lower().startswith(("http://", "https://")):
        import urllib.request

        with urllib.request.urlopen(place, timeout=_FETCH_SECONDS) as reply:
            content = reply.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise OSError(f"{place} has more than {_MOST_BYTES >> 20} MiB")
        return content
    if not os.path.isfile(place):
        return None
    with open(place, "rb") as file:
        return file.read()


def _sniffed(content):
    """The kind of an image by its first bytes."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _STARTS.items() if content.startswith(start)), None)


def _wav(samples, rate):
    """16 bits a sample, from numbers between -1 and 1; a list for each moment where there are several channels."""
    channels = len(samples[0]) if samples and isinstance(samples[0], list) else 1
    flat = [value for moment in samples for value in moment] if channels > 1 else samples
    frames = array.array("h", (round(max(-1.0, min(1.0, value)) * 32767) for value in flat))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return buffer.getvalue()


def _data_url(mime, content):
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"
