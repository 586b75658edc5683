// The timeline of a report, third part: what is said beside the picture: the status line, the table, one
// operation, the logs.

function counted() {
  // All operations that ended in view, whether they are on this page or not.
  const s = data.slices;
  let sum = 0;
  const last = Math.min(s.ok.length - 1, Math.floor(view.to / s.length_ms));
  const first = Math.max(0, Math.floor(view.from / s.length_ms));
  for (let k = first; k <= last; k++) sum += s.ok[k] + s.mismatch[k] + s.fail[k] + s.info[k];
  return sum;
}
const isWhole = (a, b) => data.whole.some(([x, y]) => x <= a + 0.001 && y >= b - 0.001);

function describe() {
  const unfiltered = filter.key === '' && ranges === null && filter.classes.every(Boolean);
  const missing = isWhole(view.from, Math.min(view.to, data.end_ms))
    ? ''
    : unfiltered
      ? `, of about ${grouped(counted())} in the run at that time,`
      : ' on this page, which leaves out some operations of this stretch of time,';
  const inSome = unfiltered ? '' : ' that match the filter';
  const more = hiddenLanes > 0 ? `; ${grouped(hiddenLanes)} more processes do not fit: zoom in or filter` : '';
  const processes = lanes.length + hiddenLanes;
  const span = view.to - view.from;
  const when = (t) => (span < 1000 ? `${t.toFixed(DIGITS)} ms` : `${(t / 1000).toFixed(3)} s`);
  byId('timeline-status').textContent =
    `${grouped(shown.length)} operation${shown.length === 1 ? '' : 's'}${inSome}${missing}` +
    ` of ${processes} process${processes === 1 ? '' : 'es'} from ${when(view.from)} to ${when(view.to)}${more}`;
  root.dataset.shown = shown.length;
  root.dataset.from = view.from;
  root.dataset.to = view.to;
  root.dataset.selected = selected < 0 ? '' : index[selected];
  if (byId('timeline-list-box').open) list();
}

function cell(row, words, className) {
  const td = document.createElement('td');
  td.textContent = words;
  if (className) td.className = className;
  row.append(td);
  return td;
}

function list() {
  const body = byId('timeline-list');
  body.replaceChildren();
  const sorted = [...shown].sort((a, b) => a - b);
  for (const i of sorted.slice(0, MOST_ROWS)) {
    const row = document.createElement('tr');
    const link = document.createElement('a');
    link.href = `#op=${index[i]}`;
    link.textContent = index[i];
    cell(row, '', 'number').append(link);
    cell(row, process[i], 'number');
    cell(row, nodeName(i));
    cell(row, keyName(i));
    cell(row, label(i, false));
    cell(row, cls[i] >= 2 ? `${CLASSES[cls[i]]}: ${error(i)}` : CLASSES[cls[i]]);
    cell(row, ms(from[i]), 'number');
    cell(row, to[i] === Infinity ? '–' : ms(to[i] - from[i]), 'number');
    body.append(row);
  }
  byId('timeline-list-note').textContent = sorted.length > MOST_ROWS
    ? `The first ${MOST_ROWS} of ${grouped(sorted.length)}; zoom in to see the others.`
    : '';
}

// ---- one operation ----
function detail() {
  const box = byId('timeline-detail');
  box.replaceChildren();
  const add = (list, name, words) => {
    const dt = document.createElement('dt');
    dt.textContent = name;
    const dd = document.createElement('dd');
    dd.textContent = words;
    list.append(dt, dd);
    return dd;
  };
  if (selected < 0) {
    const p = document.createElement('p');
    p.className = 'note';
    p.textContent = 'No operation is selected.';
    box.append(p);
  } else {
    const i = selected;
    const list = document.createElement('dl');
    list.className = 'plan';
    const link = document.createElement('a');
    link.href = `#op=${index[i]}`;
    link.textContent = `number ${index[i]} in the history`;
    add(list, 'operation', `${label(i, false)}, `).append(link);
    if (keyName(i) !== '') add(list, 'key', keyName(i));
    add(list, 'outcome', cls[i] >= 2 ? `${CLASSES[cls[i]]}: ${error(i)}` : CLASSES[cls[i]]);
    add(list, 'process', nodeName(i) === '' ? process[i] : `${process[i]}, sent to ${nodeName(i)}`);
    const ended = cls[i] === 3 ? 'the client gave up' : 'completed';
    const ending = to[i] === Infinity ? 'never ended' : `${ended} at ${ms(to[i])} ms, after ${took(i)}`;
    add(list, 'time', `invoked at ${ms(from[i])} ms, ${ending}`);
    if (!Number.isNaN(point[i])) {
      const all = `every answer${data.per_key ? ' of its key' : ''}`;
      const where = `as number ${grouped(turn[i])} in an order that explains ${all}`;
      add(list, 'linearization point', `may have taken effect at ${ms(point[i])} ms, ${where}`);
    }
    const end = to[i] === Infinity ? data.end_ms : to[i];
    const during = data.faults.filter((fault) => fault.from_ms <= end && fault.to_ms >= from[i]);
    const named = during.map((fault) => fault.detail === '' ? fault.name : `${fault.name}: ${fault.detail}`);
    if (named.length > 0) add(list, 'faults at the time', named.join('; '));
    const leader = data.leaders.filter((one) => one.at_ms <= from[i]).pop();
    const term = leader && leader.term !== null ? ` in term ${leader.term}` : '';
    if (leader) add(list, 'last leader seen', `${leader.node}${term}`);
    const role = roles.get(index[i]);
    if (role) add(list, 'conflict', data.conflicts[role.conflict].sentences.join(' '));
    box.append(list);
  }
  logs();
}

// ---- logs ----
let logsAt = null; // chosen by the reader; otherwise the logs around the operation are shown
function logs() {
  const box = byId('timeline-logs');
  box.replaceChildren();
  const note = (words) => {
    const p = document.createElement('p');
    p.className = 'note';
    p.textContent = words;
    box.append(p);
  };
  if (!data.logs) return note('There are no logs for this history.');
  const lines = data.logs.lines;
  const middle = logsAt ?? (selected >= 0 ? from[selected] : (view.from + view.to) / 2);
  const ats = lines.map((line) => line.at_ms);
  const at = lower(ats, middle);
  const first = Math.max(0, at - 12);
  const last = Math.min(lines.length, at + 18);
  const leftOut = data.logs.left_out;
  const missing = leftOut > 0 ? `; ${grouped(leftOut)} lines of the logs are not on this page` : '';
  note(`Around ${(middle / 1000).toFixed(3)} s, by the nodes’ own clocks${missing}:`);
  const step = (words, where) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = words;
    button.addEventListener('click', () => {
      logsAt = where;
      logs();
    });
    return button;
  };
  if (first > 0) box.append(step('earlier', ats[first - 1]));
  let nearest = null;
  const ul = document.createElement('ul');
  ul.className = 'loglines';
  for (let k = first; k < last; k++) {
    const line = lines[k];
    if (line.left_out > 0 && k > first) {
      const gap = document.createElement('li');
      gap.className = 'note';
      gap.textContent = `… ${grouped(line.left_out)} lines left out …`;
      ul.append(gap);
    }
    const li = document.createElement('li');
    const jump = document.createElement('button');
    jump.type = 'button';
    jump.className = 'time';
    jump.textContent = `${(line.at_ms / 1000).toFixed(3)} s`;
    jump.title = 'show this time in the picture';
    jump.addEventListener('click', () => show(line.at_ms - 50, line.at_ms + 50));
    const who = document.createElement('b');
    who.textContent = ` ${data.nodes[line.node]} `;
    const words = document.createElement('span');
    words.textContent = line.text;
    if (selected >= 0 && line.at_ms >= from[selected] && line.at_ms <= to[selected]) li.className = 'during';
    li.append(jump, who, words);
    ul.append(li);
    if (k === Math.min(at, last - 1)) nearest = li;
  }
  box.append(ul);
  if (nearest !== null) ul.scrollTop = nearest.offsetTop - ul.offsetTop - 80;
  if (last < lines.length) box.append(step('later', ats[last]));
}
