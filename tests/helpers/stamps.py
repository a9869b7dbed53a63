"""A small package of stamps like Debian's of Tux Paint: as files, as a folder, and as a .deb."""

import gzip
import io
import tarfile
import wave
from pathlib import Path

import av
import numpy as np
from helpers.pyav_videos import sine
from PIL import Image

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="30pt" height="15pt">
<rect width="100%" height="100%" fill="#00ff00"/></svg>"""
DOCUMENTS = {
    "doc/tuxpaint-stamps-default/copyright": b"Files: *\nCopyright: 2022 by A Painter\nLicense: GPL-2\n",
    "doc/tuxpaint-stamps-default/changelog.Debian.gz": gzip.compress(b"tuxpaint-stamps (1.5-2) unstable; urgency=low\n"),
}


def png(color=(255, 0, 0, 255), size=(20, 10), mode="RGBA"):
    """Return a PNG of one color."""
    file = io.BytesIO()
    Image.new("RGBA", size, color).convert(mode).save(file, "PNG")
    return file.getvalue()


def wav(seconds=0.5, hertz=440, rate=22050):
    """Return a tone as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((sine(seconds, rate, hertz) * 32767).astype(np.int16).tobytes())
    return file.getvalue()


def ogg(seconds=0.5, hertz=440, rate=48000):
    """Return a tone as an Ogg file with Opus."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        track = out.add_stream("libopus", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(sine(seconds, rate, hertz)[None], format="flt", layout="mono")
        frame.sample_rate = rate
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return file.getvalue()


def stamp_files():
    """Return path below the folder of stamps -> content: five good stamps, and one of each kind that cannot be used."""
    return {
        "animals/cat.png": png(),
        "animals/cat.txt": b"A  cat.\nfr.utf8=Un chat.\npt_BR.utf8=Um gato.\n",
        "animals/cat.ogg": ogg(1.5),
        "animals/cat.wav": wav(0.25),  # not used beside the .ogg
        "animals/cat_desc.wav": wav(1.0),
        "animals/cat_desc_fr.ogg": ogg(0.3),
        "animals/cat_mirror.png": png(),
        "animals/dog.svg": SVG.encode(),
        "animals/dog.txt": "A dog in a café.\nfr.utf8=Un chien.".encode("latin-1"),
        "food/apple.png": png((0, 0, 255, 255)),
        "food/apple.svg": SVG.encode(),
        "food/apple.txt": b"\xef\xbb\xbfAn apple.\r\nde.utf8=Ein Apfel.\r\n",
        "food/apple_desc.ogg": b"OggS and then nothing",
        "letters/a_red.png": png((0, 0, 0, 128), mode="LA"),
        "letters/a_red.txt": "The letter a.\n".encode("utf-16"),
        "letters/a_red_en_GB.ogg": ogg(0.4),
        "letters/b.png": png((9, 9, 9, 255), (3, 40)),
        "letters/b.txt": b"The letter b.",
        "bad/broken.png": png()[:40],
        "bad/broken.txt": b"A broken picture.\n",
        "bad/invisible.png": png((0, 0, 0, 0)),
        "bad/invisible.txt": b"Nothing.\n",
        "bad/nopicture.txt": b"No picture.\n",
        "bad/notext.png": png(),
        "bad/translated.png": png(),
        "bad/translated.txt": b"fr.utf8=Un oiseau.\n",
        "bad/empty.png": png(),
        "bad/empty.txt": b"",
    }


GOOD = ("animals-cat", "animals-dog", "food-apple", "letters-a_red", "letters-b")


def write_folder(root, files, documents=True):
    """Write an installed package below `root`, and return its folder of stamps."""
    share = {f"tuxpaint/stamps/{name}": content for name, content in files.items()} | (DOCUMENTS if documents else {})
    for name, content in share.items():
        path = Path(root, "usr/share", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Path(root, "usr/share/tuxpaint/stamps")


def data_tar(files, extra=(), compression="xz"):
    """Return the data.tar of a package, with `extra` members without content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as tar:
        for member in extra:
            tar.addfile(member)
        share = {f"tuxpaint/stamps/{name}": content for name, content in files.items()} | DOCUMENTS
        for name, content in share.items():
            member = tarfile.TarInfo(f"./usr/share/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def deb(data, name="data.tar.xz"):
    """Return a .deb with the content `data` of its member `name`."""
    content = b"!<arch>\n"
    for member, body in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, data)):
        header = f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n"
        content += header.encode() + body + b"\n" * (len(body) % 2)
    return content
