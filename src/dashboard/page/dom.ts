/** The few ways in which the page is changed. Text is only ever text: nothing that was received is read as HTML. */

/** The element with this id. @throws Error where the page has none */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** The first element of that kind below another. @throws Error where there is none */
export function within<T extends Element = HTMLElement>(parent: ParentNode, selector: string): T {
  const element = parent.querySelector<T>(selector);
  if (element === null) throw new Error(`there is no ${selector}`);
  return element;
}

/** A new element; a child that is text becomes text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** Changes nothing where it is the same: a selection, and what reads the page aloud, stay where they are. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element: HTMLElement, isHidden: boolean): void {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** One item of a list: its element, and how it is brought up to date. */
export type Item<T> = { readonly element: HTMLElement; update(value: T): void };

/** Children of `parent`, one for each value, by name: an element stays as long as its value does, and with it focus and selection. */
export class List<T> {
  readonly #parent: HTMLElement;
  readonly #make: (value: T) => Item<T>;
  readonly #nameOf: (value: T) => string;
  #items = new Map<string, Item<T>>();

  constructor(parent: HTMLElement, nameOf: (value: T) => string, makeItem: (value: T) => Item<T>) {
    this.#parent = parent;
    this.#nameOf = nameOf;
    this.#make = makeItem;
  }

  show(values: readonly T[]): void {
    const items = new Map<string, Item<T>>();
    let next = this.#parent.firstElementChild;
    for (const value of values) {
      const name = this.#nameOf(value);
      if (items.has(name)) continue;
      const item = this.#items.get(name) ?? this.#make(value);
      item.update(value);
      items.set(name, item);
      if (item.element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(item.element, next);
    }
    for (const [name, { element }] of this.#items) if (!items.has(name)) element.remove();
    this.#items = items;
  }
}

/** A command, and a button that copies it. */
export function commandOf(text: string): HTMLElement {
  const code = make('code', '', text);
  const button = make('button', 'copy', 'copy');
  button.type = 'button';
  button.addEventListener('click', () => {
    void copy(code).then((done) => {
      button.textContent = done ? 'copied' : 'select it';
      setTimeout(() => (button.textContent = 'copy'), 2000);
    });
  });
  return make('span', 'command', code, button);
}

/** Browsers have a clipboard only where they trust the connection; else what is to be copied is selected, and copied the old way. */
async function copy(code: HTMLElement): Promise<boolean> {
  if (navigator.clipboard !== undefined) {
    const done = await navigator.clipboard.writeText(code.textContent ?? '').then(
      () => true,
      () => false,
    );
    if (done) return true;
  }
  getSelection()?.selectAllChildren(code);
  return document.execCommand('copy');
}
