import { render } from "preact";
import { describe, expect, it } from "vitest";
import { linkify } from "../src/linkify";

const links = (text: string) => linkify(text).flatMap(({ href }) => (href ? [href] : []));

describe("linkify", () => {
  it.each([
    ["plain words", []],
    ["see https://example.org.", ["https://example.org/"]],
    ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
    ["请看https://example.org/路径，谢谢", ["https://example.org/"]],
    ["詳細はhttps://example.org/a。以上", ["https://example.org/a"]],
    ["HTTP://EXAMPLE.ORG/X and https://b.example/?q=1&r=2#z!", ["http://example.org/X", "https://b.example/?q=1&r=2#z"]],
  ])("finds the addresses in %j", (text, expected) => expect(links(text)).toEqual(expected));

  const hostile = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    " javascript://%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "blob:https://example.org/x",
    "https://bank.example@evil.example/",
    "https://user:pass@evil.example/",
    "https://",
    "http://[",
    "//evil.example/path",
    "https:evil.example",
    "ftp://evil.example/",
    "<a href=javascript:alert(1)>x</a>",
    "&#106;avascript:alert(1)",
    "https\u200b://evil.example",
  ];
  it.each(hostile)("makes no link of %j", (text) => expect(links(text)).toEqual([]));

  const injections = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    'https://example.org/"onmouseover="alert(1)',
    "https://example.org/'><script>alert(1)</script>",
    "https://example.org/<svg/onload=alert(1)>",
    "https://example.org/`${alert(1)}`",
    "https://example.org/javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "\u202ehttps://example.org/gpj.exe",
  ];
  it.each(injections)("renders %j as text and safe links only", (text) => {
    const box = document.createElement("div");
    render(<>{linkify(text).map((piece) => (piece.href ? <a href={piece.href}>{piece.text}</a> : piece.text))}</>, box);
    expect(box.textContent).toBe(text);
    const elements = [...box.querySelectorAll("*")];
    expect(elements.every((element) => element.tagName === "A")).toBe(true);
    for (const element of elements) {
      expect([...element.attributes].map(({ name }) => name)).toEqual(["href"]);
      expect(new URL(element.getAttribute("href")!).host).toBe("example.org");
    }
  });

  it("never loses or adds a character", () => {
    for (const text of [...hostile, ...injections, "a https://x.example/, b https://y.example/) c"]) {
      expect(linkify(text).map((piece) => piece.text).join("")).toBe(text);
    }
  });

  it("takes time in proportion to the text", () => {
    const started = performance.now();
    for (const text of ["https://a.b/" + "(".repeat(2000), "https://a.b/" + ")".repeat(2000), "https://a.b/" + ".".repeat(2000), "http://".repeat(300)]) linkify(text);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
