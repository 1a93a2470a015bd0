// Firefox in the room, driven by WebDriver BiDi: `node firefox.mjs FIREFOX URL ROOM TOKEN [LANGUAGE]`.

import puppeteer from "puppeteer-core";
import { report } from "./endpoint.mjs";

const [executablePath, url, room, token, language = "en-US"] = process.argv.slice(2);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  extraPrefsFirefox: {
    "media.navigator.streams.fake": true,
    "media.navigator.permission.disabled": true,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    // As if there were TLS.
    "dom.securecontext.allowlist": new URL(url).hostname,
    // The OpenH264 plugin would be loaded from elsewhere.
    "media.gmp-manager.updateEnabled": false,
    "media.gmp-manager.url": "",
    "intl.accept_languages": language,
  },
});
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 800 });
await page.goto(`${url}/enter#token=${token}`);
await page.waitForFunction(() => location.pathname === "/");
await page.goto(`${url}/rooms/${room}`);
await page.locator('[data-test="enter"]').click();
await page.waitForSelector('[data-test="room"]');
await report(
  () => page.evaluate(async () => ({
    stats: await window.yunhai?.stats(),
    tiles: Object.fromEntries([...document.querySelectorAll('[data-test="tile"]')].map((tile) => [tile.dataset.identity, tile.innerText])),
  })),
  () => browser.close(),
);
