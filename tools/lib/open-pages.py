#!/usr/bin/env python3
"""Opens pages in Chromium as phones and desks have them, and says what is wrong: anything on the browser's console, a file
that was not found, a plot that is not to be seen.

open-pages.py BROWSER RESULTS PAGE=PLOTS...     BROWSER: its folder; PLOTS: as many at least are in the page
open-pages.py BROWSER RESULTS --self-test       pages that are wrong, each in one way, are found to be

It is driven by the DevTools protocol on a pipe, which has all that the console of a user shows; what Chromium itself
writes to its stderr is no part of it and is not looked at. Pictures of the pages are left in RESULTS, and a line a page.
"""
import base64
import itertools
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

LIMIT_S = 60
WINDOWS = {"phone": (390, 844, True), "desk": (1440, 900, False)}
SCHEMES = ("light", "dark")
# A mark of a plot is something with a colour and an area on the page; text has to be legible: large enough, inside its
# plot, and unlike what is behind it.
LOOK = """(() => {
  const canvas = document.createElement('div');
  canvas.style.background = 'Canvas';
  document.body.append(canvas);
  const light = colour => {
    const [r, g, b, a] = [...colour.match(/[\\d.]+/g).map(Number), 1];
    if (a === 0) return null;
    const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const painted = getComputedStyle(document.body).backgroundColor;
  const behind = light(painted) ?? light(getComputedStyle(canvas).backgroundColor);
  canvas.remove();
  const shown = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const box = e => {
    const b = e.getBoundingClientRect();
    return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height};
  };
  const plots = [...document.querySelectorAll('svg')].map(svg => {
    const own = svg.getBoundingClientRect();
    const problems = [];
    const marks = [...svg.querySelectorAll('rect')].filter(r => {
      const b = r.getBoundingClientRect();
      return b.width > 0 && b.height > 0 && shown(r) && light(getComputedStyle(r).fill.replace('none', '0 0 0 0')) !== null;
    });
    for (const text of svg.querySelectorAll('text')) {
      const b = text.getBoundingClientRect();
      const says = JSON.stringify(text.textContent);
      const size = parseFloat(getComputedStyle(text).fontSize) * Math.abs(text.getScreenCTM().a);
      if (size < 9) problems.push(`text ${says} is ${size.toFixed(1)} px high`);
      if (b.left < own.left - 1 || b.right > own.right + 1) problems.push(`text ${says} is cut off`);
      const at = light(getComputedStyle(text).fill);
      const contrast = (Math.max(at, behind) + 0.05) / (Math.min(at, behind) + 0.05);
      if (contrast < 4.5) problems.push(`text ${says} has a contrast of ${contrast.toFixed(1)}`);
    }
    // What scrolls is scrolled to it: a mark is where a finger would meet it.
    const met = marks.some(mark => {
      mark.scrollIntoView({block: 'nearest', inline: 'nearest'});
      const b = mark.getBoundingClientRect();
      return document.elementFromPoint(b.left + b.width / 2, b.top + b.height / 2) === mark;
    });
    if (own.width === 0 || own.height === 0 || !shown(svg)) problems.push('is not shown');
    else if (marks.length === 0) problems.push('has no mark');
    else if (!met) problems.push('has no mark that can be seen');
    return {...box(svg), marks: marks.length, problems};
  });
  for (const box of document.querySelectorAll('*')) box.scrollLeft = 0;
  scrollTo(0, 0);
  return {plots, wide: document.scrollingElement.scrollWidth};
})()"""


class Browser:
    def __init__(self, folder):
        to_it, to_us = os.pipe(), os.pipe()
        library = f"{folder}/usr/lib/x86_64-linux-gnu"
        self.home = tempfile.TemporaryDirectory()
        # --no-sandbox: a browser in a root of ours, for pages of ours, as root.
        command = [f"{folder}/usr/lib/chromium/chromium-headless-shell", "--remote-debugging-pipe", "--no-sandbox",
                   "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={self.home.name}",
                   "about:blank"]
        # Its protocol is at 3 and 4, wherever these pipes are.
        shell = ["sh", "-c", f'exec "$@" 3<&{to_it[0]} 4>&{to_us[1]}', "sh", *command]
        fonts = Path(self.home.name) / "fonts.conf"
        fonts.write_text(f"<fontconfig><dir>{folder}/usr/share/fonts</dir></fontconfig>", encoding="utf-8")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(shell, pass_fds=(to_it[0], to_us[1]), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log,
                                        env={**os.environ, "HOME": self.home.name, "FONTCONFIG_FILE": str(fonts),
                                             "LD_LIBRARY_PATH": f"{library}:{library}/pulseaudio"})
        os.close(to_it[0])
        os.close(to_us[1])
        self.write, self.read = to_it[1], to_us[0]
        self.numbers = itertools.count(1)
        self.bytes, self.events = b"", []

    def close(self):
        self.process.kill()
        self.process.wait()
        self.home.cleanup()

    def message(self):
        end = time.monotonic() + LIMIT_S
        while b"\0" not in self.bytes:
            ready = select.select([self.read], [], [], max(0, end - time.monotonic()))[0]
            more = os.read(self.read, 1 << 20) if ready else b""
            if not more:
                self.log.seek(0)
                said = self.log.read().decode(errors="replace")[-2000:]
                raise SystemExit(f"open-pages.py: the browser {'ended' if ready else 'says nothing'}; its stderr: {said}")
            self.bytes += more
        text, self.bytes = self.bytes.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"open-pages.py: {method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method, session):
        while not any(e["method"] == method and e.get("sessionId") == session for e in self.events):
            self.events.append(self.message())


def complaint(event):
    """What an event of the protocol puts on the console, or None."""
    method, told = event["method"], event["params"]
    if method == "Runtime.consoleAPICalled":
        words = " ".join(str(a.get("value", a.get("description", ""))) for a in told["args"])
        return f"console.{told['type']}: {words}"
    if method == "Runtime.exceptionThrown":
        details = told["exceptionDetails"]
        return details.get("exception", {}).get("description", details["text"]).split("\n")[0]
    if method == "Log.entryAdded":
        return f"{told['entry']['level']}: {told['entry']['text']} {told['entry'].get('url', '')}"
    if method == "Network.loadingFailed":
        return f"not loaded: {told['errorText']}"
    if method == "Inspector.targetCrashed":
        return "the page crashed"
    return None


def colours_of(png):
    """How many there are in a PNG of 8 bits a channel."""
    at, data, width, channels = 8, b"", 0, 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, _, _, colour = struct.unpack(">IIBB", body[:10])
            channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
        elif kind == b"IDAT":
            data += body
        at += size + 12
    data, line = zlib.decompress(data), width * channels
    before, seen = bytearray(line), set()
    for start in range(0, len(data), line + 1):
        row = bytearray(data[start + 1:start + 1 + line])
        kind = data[start]
        for i in range(line if kind else 0):
            left = row[i - channels] if i >= channels else 0
            above = before[i]
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = above
            elif kind == 3:
                guess = (left + above) // 2
            else:
                corner = before[i - channels] if i >= channels else 0
                guess = min((left, above, corner), key=lambda v, g=left + above - corner: abs(g - v))
            row[i] = (row[i] + guess) & 255
        seen.update(bytes(row[i:i + channels]) for i in range(0, line, channels))
        before = row
    return len(seen)


def picture(browser, session, clip=None):
    options = {"clip": {**clip, "scale": min(1, 240 / clip["width"])}} if clip else {}
    shot = browser.call("Page.captureScreenshot", session, captureBeyondViewport=True, **options)
    return base64.b64decode(shot["data"])


def look_at(browser, page, window, scheme, wanted, results):
    """Opens it in a tab of its own: (how many plots and marks are shown, what is wrong)."""
    width, height, mobile = WINDOWS[window]
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network", "Inspector"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1,
                 mobile=mobile)
    browser.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    failed = browser.call("Page.navigate", session, url=Path(page).resolve().as_uri()).get("errorText")
    if failed:
        return 0, 0, [f"cannot be opened: {failed}"]
    browser.wait_for("Page.loadEventFired", session)
    found = browser.call("Runtime.evaluate", session, expression=LOOK, returnByValue=True)
    if "exceptionDetails" in found:
        return 0, 0, [f"cannot be looked at: {found['exceptionDetails']['exception']['description']}"]
    seen = found["result"]["value"]
    plots = seen["plots"]
    problems = []
    if len(plots) < wanted:
        problems.append(f"has {len(plots)} plots, not {wanted}")
    if seen["wide"] > width:
        problems.append(f"is {seen['wide']} px wide in a window of {width}")
    for number, plot in enumerate(plots):
        problems += [f"plot {number + 1} {what}" for what in plot["problems"]]
    largest = max(plots, key=lambda plot: plot["width"] * plot["height"], default={"problems": ["none"]})
    # A picture takes a tenth of a second and more, so there is one of one of them.
    if not largest["problems"]:
        clip = {key: largest[key] for key in ("x", "y", "width", "height")}
        if colours_of(picture(browser, session, clip)) < 2:
            problems.append("its largest plot is of one colour")
    if results:
        name = f"{Path(page).stem}-{window}-{scheme}.png"
        (results / name).write_bytes(picture(browser, session))
    # Whatever happened meanwhile.
    problems += [text for text in map(complaint, browser.events) if text]
    browser.call("Target.closeTarget", targetId=target)
    return len(plots), sum(plot["marks"] for plot in plots), problems


PLOT = '<svg width="40" height="20"><rect width="9" height="9" fill="#4e79a7"/></svg>'
# Body, and what is to be said of it; the first is right.
MISTAKES = [
    (PLOT, None),
    (PLOT + "<script>throw new Error('deliberate')</script>", "Error: deliberate"),
    (PLOT + "<script>setTimeout(() => { nothing.there })</script>", "nothing is not defined"),
    (PLOT + "<script>Promise.reject(new Error('unhandled'))</script>", "unhandled"),
    (PLOT + "<script>let = 1 2</script>", "SyntaxError"),
    (PLOT + "<script>console.log('a word')</script>", "console.log: a word"),
    (PLOT + "<script>console.warn('a warning')</script>", "console.warning: a warning"),
    (PLOT + "<img src='missing.png'>", "ERR_FILE_NOT_FOUND"),
    (PLOT + "<script src='missing.js'></script>", "ERR_FILE_NOT_FOUND"),
    (PLOT + "<link rel='stylesheet' href='missing.css'>", "ERR_FILE_NOT_FOUND"),
    ("<p>no plot</p>", "has 0 plots, not 1"),
    ("<svg width='40' height='20'></svg>", "plot 1 has no mark"),
    ("<svg width='40' height='20'><rect width='0' height='9'/></svg>", "plot 1 has no mark"),
    ("<svg width='40' height='20'><rect width='9' height='9' fill='none'/></svg>", "plot 1 has no mark"),
    ("<svg width='40' height='20'><rect width='40' height='20' x='99' fill='#4e79a7'/></svg>", "has no mark that can be seen"),
    (f"{PLOT}<div style='position:fixed;inset:0;background:#ccc'></div>", "has no mark that can be seen"),
    (PLOT.replace("#4e79a7", "#fff"), "its largest plot is of one colour"),
    ("<svg width='0' height='20'><rect width='9' height='9'/></svg>", "plot 1 is not shown"),
    (f"<div style='display:none'>{PLOT}</div>", "plot 1 is not shown"),
    (f"<div style='opacity:0'>{PLOT}</div>", "plot 1 is not shown"),
    (f"<div style='width:3000px'>{PLOT}</div>", "is 3008 px wide in a window of 390"),
    # Without a font no text has a size.

    (PLOT.replace("</svg>", "<text x='30' y='15' font-size='11'>long words</text></svg>"), "is cut off"),
    (PLOT.replace("</svg>", "<text y='15' font-size='4'>small</text></svg>"), "is 4.0 px high"),
    (PLOT.replace("</svg>", "<text y='15' fill='#eee' font-size='11'>pale</text></svg>"), "has a contrast of 1"),
]


def self_test(browser):
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (body, expected) in enumerate(MISTAKES):
            page = Path(folder) / f"{number}.html"
            page.write_text(f'<!DOCTYPE html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
                            f"<title>t</title>\n{body}\n")
            problems = look_at(browser, page, "phone", "light", 1, None)[2]
            good = any(expected in problem for problem in problems) if expected else not problems
            print(f"{'ok' if good else 'error'}: {body}: {'; '.join(problems) or 'nothing is wrong'}")
            if not good:
                print(f"error: expected: {expected}")
                failed += 1
    return failed


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    browser, results, failed = Browser(sys.argv[1]), Path(sys.argv[2]), 0
    try:
        if sys.argv[3] == "--self-test":
            return 1 if self_test(browser) else 0
        for argument in sys.argv[3:]:
            page, _, wanted = argument.rpartition("=")
            for window, scheme in itertools.product(WINDOWS, SCHEMES):
                plots, marks, problems = look_at(browser, page, window, scheme, int(wanted), results)
                print(f"{page}, {window}, {scheme}: {plots} plots of {marks} marks")
                for problem in problems:
                    print(f"error: {page}, {window}, {scheme}: {problem}")
                failed += len(problems)
    finally:
        browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
