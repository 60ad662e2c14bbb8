// A chat page in a real browser. The page comes from an address of its own, so that Botgate's is another origin to it.
// usage: node browser.mjs EXECUTABLE PAGE ADDRESS BOT TOKEN
// Prints what the page says after it has asked: the answer, or that the browser kept it from it.

import { chromium } from "playwright-core";

const [executablePath, page, address, bot, token] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath });
const tab = await browser.newPage();
await tab.goto(page);
await tab.fill("#address", address);
await tab.fill("#bot", bot);
await tab.fill("#token", token);
await tab.fill("#said", "hello from a page");
await tab.click("#send");
await tab.waitForSelector("#answer:not(:empty)");
console.log(JSON.stringify([await tab.textContent("#answer"), await tab.evaluate(() => window.origin)]));
await browser.close();
