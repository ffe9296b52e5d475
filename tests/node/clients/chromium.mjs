// A real browser (`GATEWAYSTACK_CHROMIUM`), and the consent page as a person finds it there: by what the accessibility tree
// says, which is what a screen reader has.

import { chromium } from 'playwright-core';
import { witness } from './witness.mjs';

/**
 * A browser that has never been used, with one page open; what the page asked for and what came through to this machine, which
 * isn't the same where the page looks elsewhere; and what the browser complains about.
 */
export async function browser() {
  const { url, requests: arrived, close } = await witness();
  const app = await chromium.launch({
    executablePath: process.env.GATEWAYSTACK_CHROMIUM,
    // The sandbox can't be had as root; what is shown here is ours. Playwright adds what keeps a browser from calling home.
    args: ['--no-sandbox'],
    // Loopback goes there too: a browser leaves that out otherwise.
    proxy: { server: url, bypass: '<-loopback>' },
  });
  const page = await app.newPage();
  page.setDefaultTimeout(20_000);
  const asked = [];
  page.on('request', (request) => {
    const { origin, pathname } = new URL(request.url());
    asked.push(`${request.method()} ${origin}${pathname}`);
  });
  const complaints = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('dialog', (dialog) => void (complaints.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  const quit = async () => void (await app.close(), close());
  return { page, asked, arrived, complaints, quit };
}

export class ConsentPage {
  constructor(page) {
    this.page = page;
    this.user = page.getByLabel('Sign in as');
    this.scopes = page.getByRole('group', { name: 'It gets' });
    this.allow = page.getByRole('button', { name: 'Allow', exact: true });
    this.deny = page.getByRole('button', { name: 'Deny', exact: true });
  }

  static async open(page, authorizationUrl) {
    await page.goto(`${authorizationUrl}`);
    const opened = new ConsentPage(page);
    await opened.allow.waitFor();
    return opened;
  }

  /** By its whole name, which says of a scope that wasn't asked for that it wasn't. */
  scope(name) {
    return this.scopes.getByRole('checkbox', { name, exact: true });
  }

  /** What can be read there. */
  async read() {
    const boxes = [];
    for (const box of await this.scopes.getByRole('checkbox').all()) boxes.push((await box.ariaSnapshot()).slice(2));
    return {
      title: await this.page.title(),
      heading: await this.page.getByRole('heading', { level: 1 }).innerText(),
      asks: await this.page.getByRole('paragraph').filter({ hasText: 'asks to act for you' }).innerText(),
      users: await this.user.getByRole('option').allInnerTexts(),
      user: await this.user.inputValue(),
      scopes: boxes,
    };
  }

  /** The control that the keyboard is at, and whether one can see that. */
  async focused() {
    const focused = this.page.locator(':focus');
    const [line] = (await focused.ariaSnapshot()).split('\n');
    const outline = await focused.evaluate((element) => getComputedStyle(element).outlineStyle);
    return `${line.slice(2).replace(/:$/, '')}${outline === 'none' ? ' unseen' : ''}`;
  }
}
