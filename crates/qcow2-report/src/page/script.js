'use strict';
(function () {
  const data = JSON.parse(document.getElementById('data').textContent);
  const detail = document.getElementById('detail');
  const hint = detail.firstElementChild;
  const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

  // As the rest of the page: hundredths, rounded down.
  function size(bytes) {
    let unit = 0;
    let value = bytes;
    while (value >= 1024 && unit < UNITS.length - 1) {
      value /= 1024;
      unit += 1;
    }
    const shown = unit === 0 || value >= 100 ? Math.floor(value) : Math.floor(value * 100) / 100;
    return shown + ' ' + UNITS[unit];
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // Each picture: its cells, what is in them, and the cells of the other one.
  const pictures = {};
  for (const id of ['disk', 'file']) {
    const figure = document.getElementById(id);
    if (!figure || !data[id]) continue;
    const cells = Array.from(figure.querySelectorAll('[role=gridcell]'));
    pictures[id] = { id, figure, cells, data: data[id], links: cells.map(() => []), at: 0 };
  }
  const { disk, file } = pictures;
  const other = { disk: file, file: disk };

  // Lists of runs, or four cells a digit, the first in its lowest bit.
  function columns(row) {
    const found = [];
    if (typeof row === 'string') {
      for (let at = 0; at < row.length; at += 1) {
        const bits = parseInt(row[at], 16);
        for (let bit = 0; bit < 4; bit += 1) if (bits >> bit & 1) found.push(4 * at + bit);
      }
    } else {
      for (let at = 0; at < row.length; at += 2) {
        for (let cell = row[at]; cell < row[at + 1]; cell += 1) found.push(cell);
      }
    }
    return found;
  }
  if (file) {
    data.links.forEach((row, from) => {
      disk.links[from] = columns(row);
      for (const to of disk.links[from]) file.links[to].push(from);
    });
  }

  function range(picture, first, last) {
    const { bytes, cell_bytes: step } = picture.data;
    return size(first * step) + ' to ' + size(Math.min((last + 1) * step, bytes));
  }

  function contents(picture, index) {
    const counts = picture.data.cells[index];
    const parts = [];
    for (let at = 0; at < counts.length; at += 2) {
      parts.push(size(counts[at + 1]) + ' ' + picture.data.kinds[counts[at]].name);
    }
    return parts.join(', ');
  }

  // Where the linked cells are, in words.
  function places(picture, indices) {
    const runs = [];
    for (const index of indices) {
      const last = runs[runs.length - 1];
      if (last && last[1] + 1 === index) last[1] = index;
      else runs.push([index, index]);
    }
    const shown = runs.slice(0, 4).map(([first, last]) => range(picture, first, last));
    if (runs.length > 4) shown.push('and ' + (runs.length - 4) + ' more places');
    return shown.join('; ');
  }

  const NAMES = { disk: 'Guest disk', file: 'Image file' };

  function label(picture, index) {
    return NAMES[picture.id] + ', ' + range(picture, index, index) + ': ' + contents(picture, index);
  }

  let marked = [];
  function clear() {
    for (const cell of marked) cell.classList.remove('at', 'linked');
    for (const row of document.querySelectorAll('.legend tr.here')) row.classList.remove('here');
    marked = [];
    document.getElementById('pictures').classList.remove('linking');
  }

  function show(picture, index) {
    clear();
    const cell = picture.cells[index];
    cell.classList.add('at');
    marked.push(cell);
    const links = picture.links[index];
    const across = other[picture.id];
    for (const linked of links) {
      across.cells[linked].classList.add('linked');
      marked.push(across.cells[linked]);
    }
    if (links.length > 0) document.getElementById('pictures').classList.add('linking');
    const counts = picture.data.cells[index];
    for (let at = 0; at < counts.length; at += 2) {
      const key = picture.data.kinds[counts[at]].key;
      const row = picture.figure.querySelector('.legend tr[data-key=' + key + ']');
      if (row) row.classList.add('here');
    }
    const here = document.createElement('div');
    here.append(element('b', NAMES[picture.id] + ' ' + range(picture, index, index)));
    here.append(element('span', contents(picture, index), 'line'));
    const lines = [here];
    if (across) {
      const there = document.createElement('div');
      there.append(element('b', NAMES[across.id]));
      const words = links.length > 0 ? places(across, links) : 'nothing of it is there';
      there.append(element('span', words, 'line'));
      if (picture.id === 'disk') lines.push(there);
      else lines.unshift(there);
    }
    detail.replaceChildren(...lines);
  }

  function focus(picture, index) {
    const cell = picture.cells[index];
    if (!cell) return;
    picture.cells[picture.at].tabIndex = -1;
    picture.at = index;
    cell.tabIndex = 0;
    cell.focus();
  }

  function moved(picture, key, ctrl) {
    const wide = picture.data.columns;
    const last = picture.cells.length - 1;
    const row = picture.at - picture.at % wide;
    switch (key) {
      case 'ArrowLeft': return picture.at - 1;
      case 'ArrowRight': return picture.at + 1;
      case 'ArrowUp': return picture.at - wide;
      case 'ArrowDown': return picture.at + wide;
      case 'Home': return ctrl ? 0 : row;
      case 'End': return ctrl ? last : Math.min(row + wide - 1, last);
      case 'PageUp': return Math.max(picture.at - 8 * wide, picture.at % wide);
      case 'PageDown': return Math.min(picture.at + 8 * wide, last);
      default: return null;
    }
  }

  for (const picture of Object.values(pictures)) {
    const indices = new Map(picture.cells.map((cell, index) => [cell, index]));
    picture.cells.forEach((cell, index) => cell.setAttribute('aria-label', label(picture, index)));
    if (picture.cells.length > 0) picture.cells[0].tabIndex = 0;
    const grid = picture.figure.querySelector('[role=grid]');
    grid.addEventListener('mouseover', (event) => {
      const index = indices.get(event.target);
      if (index !== undefined) show(picture, index);
    });
    grid.addEventListener('mouseleave', () => {
      clear();
      detail.replaceChildren(hint);
    });
    grid.addEventListener('focusin', (event) => {
      const index = indices.get(event.target);
      if (index === undefined) return;
      picture.cells[picture.at].tabIndex = -1;
      picture.at = index;
      event.target.tabIndex = 0;
      show(picture, index);
    });
    grid.addEventListener('focusout', clear);
    grid.addEventListener('click', (event) => {
      const index = indices.get(event.target);
      if (index !== undefined) focus(picture, index);
    });
    grid.addEventListener('keydown', (event) => {
      if (event.altKey || event.metaKey) return;
      if (event.key === 'Enter' || event.key === ' ') {
        const [first] = picture.links[picture.at];
        if (first !== undefined) focus(other[picture.id], first);
      } else if (event.key === 'Escape') {
        clear();
        detail.replaceChildren(hint);
      } else {
        const next = moved(picture, event.key, event.ctrlKey);
        if (next === null) return;
        focus(picture, next);
      }
      event.preventDefault();
    });
  }
})();
