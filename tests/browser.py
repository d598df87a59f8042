"""A page as somebody sees it, in a real browser without a window."""

import html
import json
import re
import subprocess

from service.programs import need

#: Put around a page: frames of the widths asked for, and what can be seen in each as JSON.
LOOK = """<!DOCTYPE html><meta charset="utf-8"><body><pre id="seen"></pre><script>
const page = document.currentScript.ownerDocument, seen = {};
function look(frame) {
  const there = frame.contentDocument, body = there.body, all = [...body.querySelectorAll("*")];
  const boxes = all.map((e) => [e, e.getBoundingClientRect()]).filter(([e, b]) => b.width > 0);
  seen[frame.width] = {
    text: body.innerText,
    page_width: there.documentElement.scrollWidth,
    too_wide: boxes.filter(([e, b]) => b.right > frame.width + 0.5).map(([e, b]) => e.outerHTML),
    plots: [...there.querySelectorAll("svg")].map((e) => e.getBoundingClientRect().width)
      .filter((width) => width > 0),
    coloured: [...there.querySelectorAll("[title]")].map((e) => [e.innerText.split("\\n")[0],
      e.title, there.defaultView.getComputedStyle(e).backgroundColor]),
    ground: there.defaultView.getComputedStyle(body).backgroundColor,
    loaded: there.defaultView.performance.getEntriesByType("resource").map((e) => e.name),
    tags: [...new Set([...there.querySelectorAll("*")].map((e) => e.localName))],
  };
  page.getElementById("seen").textContent = JSON.stringify(seen);
}
</script>"""
FRAME = '<iframe width="{}" height="900" onload="look(this)" srcdoc="{}"></iframe>'
OPTIONS = [
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
]


def browse(folder, *options, dark=False):
    """Run the browser, with a profile of its own in ``folder``, and return what it printed."""
    (chromium,) = need("chromium")
    command = [chromium, *OPTIONS, f"--user-data-dir={folder / 'profile'}"]
    command.append(f"--blink-settings=preferredColorScheme={0 if dark else 1}")
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look(page, folder, widths, dark=False):
    """What can be seen of a page, given as text, by width in pixels."""
    frames = "".join(FRAME.format(width, html.escape(page)) for width in widths)
    (folder / "look.html").write_text(f"{LOOK}{frames}", encoding="utf-8")
    printed = browse(folder, "--dump-dom", (folder / "look.html").as_uri(), dark=dark)
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', printed, re.S)[1]))
    return {width: seen[str(width)] for width in widths}


def screenshot(path, folder, width, height, dark=False):
    """A picture of a page that is a file, as a PNG."""
    picture = folder / "picture.png"
    size = f"--window-size={width},{height}"
    browse(folder, size, f"--screenshot={picture}", path.as_uri(), dark=dark)
    return picture
