import { describe, expect, it } from "vitest";
import { readInvitation } from "../src/entrance/invitation";
import { slug } from "../src/entrance/create";
import { claims, localPath } from "../src/token";

describe("localPath", () => {
  const home = "https://venue.example";
  it.each([
    ["/rooms/hall", "/rooms/hall"],
    ["/rooms/hall?x=1#y", "/rooms/hall?x=1#y"],
    ["/rooms/../rooms/a", "/rooms/a"],
    [null, "/"],
    ["", "/"],
    ["rooms/hall", "/"],
    ["//evil.example/", "/"],
    ["/\\evil.example/", "/"],
    ["/\t/evil.example", "/"],
    ["https://evil.example/", "/"],
    ["javascript:alert(1)", "/"],
    ["/\n/evil.example", "/"],
  ])("takes %j to %j", (next, path) => expect(localPath(next, home)).toBe(path));
});

describe("invitations", () => {
  it("are read from a link's fragment, never from its query", () => {
    expect(readInvitation(" http://venue.example/enter#token=a.b.c&next=/rooms/hall ")).toEqual({ token: "a.b.c", next: "/rooms/hall" });
    expect(readInvitation("http://venue.example/enter?next=/rooms/x#token=a.b-_.c")).toEqual({ token: "a.b-_.c", next: "/rooms/x" });
    expect(readInvitation("a.b.c")).toEqual({ token: "a.b.c", next: "/" });
    for (const wrong of ["", "hello", "http://venue.example/enter?token=a.b.c", "http://venue.example/enter#token=<b>", "a.b"]) expect(readInvitation(wrong)).toBeNull();
  });

  it("say who they are for, in any script", () => {
    const body = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify({ name: "林可" })))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    expect(claims(`x.${body}.y`)["name"]).toBe("林可");
    expect(claims("nonsense")).toEqual({});
  });
});

describe("slug", () => {
  it("makes an address of a Latin name and of any other", () => {
    expect(slug("Guangzhou Hall 2", "hall")).toBe("guangzhou-hall-2");
    expect(slug("Société Générale", "booth")).toBe("societe-generale");
    expect(slug("广州主会场", "hall", () => 0.5)).toMatch(/^hall-[a-z0-9]{5}$/);
  });
});
