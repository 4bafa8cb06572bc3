// Moves what lossbook.lab.page.scene has drawn. A declaration brings functions and positions; the
// elements that it moves are there already, as a picture for where no script runs.
(function () {
  "use strict";
  if (window.lossbook && !Array.isArray(window.lossbook)) return;
  const waiting = window.lossbook || [];
  const finite = Number.isFinite;
  const round = (pixel) => Math.round(Math.max(-1e4, Math.min(1e4, pixel)) * 10) / 10;

  function write(value, how) {
    const digits = Number(how.slice(1));
    if (!finite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "–";
    let text;
    if (how[0] === "f") text = value.toFixed(digits);
    else if (how[0] === "p") text = (100 * value).toFixed(digits);
    else {
      const rounded = Number(value.toPrecision(digits));
      const exponent = rounded ? Math.floor(Math.log10(Math.abs(rounded)) + 1e-12) : digits - 1;
      const plain = exponent >= -5 && exponent < 7;
      text = plain ? rounded.toFixed(Math.max(0, digits - 1 - exponent))
        : value.toExponential(digits - 1);
    }
    if (Number(text) === 0) text = text.replace("-", "");
    return text.replace("-", "−") + (how[0] === "p" ? " %" : "");
  }

  const along = (axis, value) => {
    const [first, last, pixels, log] = axis;
    const f = log ? Math.log10 : Number;
    return (f(value) - f(first)) / (f(last) - f(first)) * pixels;
  };
  const back = (axis, pixel) => {
    const [first, last, pixels, log] = axis;
    if (!log) return first + (last - first) * pixel / pixels;
    return first * (last / first) ** (pixel / pixels);
  };

  const put = (element, values) => {
    for (const name in values) element.setAttribute(name, values[name]);
  };

  const cutsOf = (breaks, s, first, last) => {
    const inner = breaks(s).filter((cut) => cut > first && cut < last).sort((a, b) => a - b);
    const all = [first, ...inner, last];
    return all.filter((cut, i) => !i || cut - all[i - 1] > 1e-9 * (last - first));
  };

  // One smooth piece after the other, so that both ends of each are the exact limits.
  function curve({x, y}, [f, breaks, first, last], s) {
    const cuts = cutsOf(breaks, s, first, last);
    const X = (v) => along(x, v), Y = (v) => along(y, v);
    const points = [], ends = [];
    const seen = (v) => finite(v) ? round(Y(v)) : null;
    for (let i = 1; i < cuts.length; i++) {
      const [a, b] = [cuts[i - 1], cuts[i]], middle = (a + b) / 2;
      const g = (v) => f(v, middle, s);
      const bend = (from, low, to, high, depth) => {
        const half = (from + to) / 2, value = g(half);
        const off = Math.abs(Y(value) - (Y(low) + Y(high)) / 2);
        if (depth < 9 && !(off < 0.15) && finite(value)) {
          bend(from, low, half, value, depth + 1);
          bend(half, value, to, high, depth + 1);
        } else points.push([to, high]);
      };
      const parts = Math.max(2, Math.round(40 * (b - a) / (last - first)));
      let [from, low] = [a, g(a)];
      if (points.length) {
        const left = points[points.length - 1][1], at = f(a, a, s);
        if (seen(left) !== seen(low)) {
          if (!(Math.abs(Y(left) - Y(low)) < 8)) {
            for (const end of [left, low]) ends.push([a, end, seen(end) === seen(at)]);
            if (ends.slice(-2).every((end) => !end[2])) ends.push([a, at, true]);
          }
          points.push(null);
        }
      }
      points.push([a, low]);
      for (let j = 1; j <= parts; j++) {
        const to = j === parts ? b : a + (b - a) * j / parts, high = g(to);
        bend(from, low, to, high, 0);
        [from, low] = [to, high];
      }
    }
    const shown = ends.filter(([, v]) => finite(v));
    const circles = (full) => shown.filter((end) => end[2] === full)
      .map(([u, v]) => circle(X(u), Y(v), full ? 3 : 3.5)).join("");
    return [line(points.map((p) => p && [X(p[0]), Y(p[1])])), circles(false), circles(true)];
  }

  function line(points, closed) {
    let d = "", pen = "M";
    for (const p of points) {
      if (!p || !finite(p[0]) || !finite(p[1])) pen = "M";
      else { d += pen + round(p[0]) + "," + round(p[1]); pen = "L"; }
    }
    return d + (closed && d ? "Z" : "");
  }

  // Two letters are a position along an axis; the last number stands for none.
  const signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const unpack = (text, k, length) => {
    const level = 64 * signs.indexOf(text[2 * k]) + signs.indexOf(text[2 * k + 1]);
    return level > 4094 ? NaN : level / 4094 * length;
  };

  const circle = (x, y, r) => finite(x + y)
    ? `M${round(x - r)},${round(y)}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0Z` : "";

  function arrow([x, y], [u, v]) {
    const length = Math.hypot(u - x, v - y);
    if (!(length > 1)) return "";
    const head = Math.min(9, length), [a, b] = [(u - x) / length * head, (v - y) / length * head];
    const wings = [[u - a - b / 2, v - b + a / 2], [u, v], [u - a + b / 2, v - b - a / 2]];
    return line([[x, y], [u, v], null, ...wings]);
  }

  // Where the slope changes its sign next to the lowest of many points; of a flat bottom its middle.
  function minimum([f, slope, breaks, first, last], s) {
    const grid = Array.from({length: 129}, (_, i) => first + (last - first) * i / 128);
    grid.push(...cutsOf(breaks, s, first, last).slice(1, -1));
    grid.sort((a, b) => a - b);
    let best = 0;
    grid.forEach((u, i) => { if (f(u, u, s) < f(grid[best], grid[best], s)) best = i; });
    let [low, high] = [best, best];
    while (low > 0 && !(slope(grid[low], grid[low], s) < 0)) low--;
    while (high < grid.length - 1 && !(slope(grid[high], grid[high], s) > 0)) high++;
    const edge = (flat) => {
      let [a, b] = [grid[low], grid[high]];
      for (let i = 0; i < 60; i++) {
        const m = (a + b) / 2, rise = slope(m, m, s);
        if (rise > 0 || (flat && rise === 0)) b = m; else a = m;
      }
      return (a + b) / 2;
    };
    return (edge(true) + edge(false)) / 2;
  }

  function start(scene, figure) {
    const each = (selector) => [...figure.querySelectorAll(selector)];
    const {ranges, panels} = scene;
    let s = scene.start.slice(), v = [];
    const trails = new Map();
    const marks = each("[data-mark]").map((element, i) => [element, ...scene.marks[i]]);
    const place = (panel, i, j) => [along(panel.x, v[i]), along(panel.y, v[j])];
    const pairs = (panel, list) => list.flatMap((_, i) => i % 2 ? []
      : [place(panel, list[i], list[i + 1])]);
    const shape = (element, d) => put(element, {d});
    const draw = {
      curve: (element, panel, ...declared) => {
        const drawn = curve(panel, declared, s);
        drawn.forEach((d, i) => shape(element.children[i], d));
      },
      stems: (element, panel, base, f, first, last) => {
        let d = "";
        for (let k = first; k <= last; k++) {
          const x = along(panel.x, k);
          d += line([[x, base], [x, along(panel.y, f(k, k, s))]]);
        }
        shape(element, d);
      },
      path: (element, {x, y}, size, f, first, last) => {
        const points = [];
        for (let k = Math.floor(v[first] + 0.5); k < v[last] + 0.5; k++) {
          const [a, b] = f(k, s);
          points.push([along(x, a), along(y, b)]);
        }
        shape(element, size ? points.map(([a, b]) => circle(a, b, size)).join("") : line(points));
      },
      line: (element, panel, closed, list) => shape(element, line(pairs(panel, list), closed)),
      arrow: (element, panel, list) => shape(element, arrow(...pairs(panel, list))),
      dots: (element, panel, size, list) =>
        shape(element, pairs(panel, list).map(([x, y]) => circle(x, y, size)).join("")),
      at: (element, panel, i, j) => {
        const ends = [panel.x[2], panel.y[2]];
        const [x, y] = place(panel, i, j).map((p, k) => round(Math.min(ends[k], Math.max(0, p))));
        if (finite(x + y)) put(element, {visibility: "visible", transform: `translate(${x},${y})`});
        else put(element, {visibility: "hidden"});
      },
      clip: (element, {x, y}, [across, up], count, lines, size, i) => {
        const last = across.length / 2 / count;
        const frame = Math.min(last, Math.max(1, Math.floor(v[i] + 0.5))) - 1;
        const at = (j) => {
          const k = frame * count + j;
          return [unpack(across, k, x[2]), unpack(up, k, y[2])];
        };
        shape(element.children[0], lines.map((list) => line(list.map(at))).join(""));
        const dots = size ? Array.from({length: count}, (_, j) => circle(...at(j), size)) : [];
        shape(element.children[1], dots.join(""));
      },
      film: (element, panel, i) => [...element.children].forEach((image, k, {length}) => {
        const frame = Math.min(length, Math.max(1, Math.floor(v[i] + 0.5))) - 1;
        put(image, {visibility: k === frame ? "visible" : "hidden"});
      }),
      trail: (element, panel, i, j) => {
        const path = trails.get(element) || [];
        path.push(place(panel, i, j));
        trails.set(element, path.slice(-600));
        shape(element, line(path));
      },
    };

    const say = (i) => write(s[i], ranges[i].how) + ranges[i].unit;

    function redraw() {
      s.length = ranges.length;
      for (const least of scene.minima) s.push(minimum(least, s));
      for (const [first, next, count, kept] of scene.recurrences || []) {
        first(s).forEach((value, i) => { kept[i][1] = value; });
        for (let k = 1; k < count; k++) {
          next(k, s).forEach((value, i) => { kept[i][k + 1] = value; });
        }
      }
      v = scene.values(s);
      for (const [element, kind, panel, ...rest] of marks) draw[kind](element, panels[panel], ...rest);
      for (const b of each("[data-value]")) b.textContent = write(v[b.dataset.value], b.dataset.how);
      for (const output of each("output[data-state]")) output.textContent = say(output.dataset.state);
      for (const input of each("input")) {
        const i = input.dataset.state;
        if (input.type === "checkbox") input.checked = s[i] > 0;
        else if (input.type === "radio") input.checked = s[i] === Number(input.value);
        else {
          input.value = ranges[i].log ? Math.log10(s[i]) : s[i];
          put(input, {"aria-valuetext": say(i)});
        }
      }
      for (const {element, moves} of handles) {
        const text = moves.map((i) => `${ranges[i].name} ${say(i)}`).join(", ");
        put(element, {"aria-valuenow": s[moves[0]], "aria-valuetext": text});
      }
    }

    const snap = ({first, step}, value) =>
      Number((first + Math.round((value - first) / step) * step).toPrecision(12));

    // Values stay in their ranges; trails begin anew unless a button steps on.
    function set(changes, steps) {
      if (!steps) trails.clear();
      for (const [i, value] of changes) {
        if (finite(value)) s[i] = Math.min(ranges[i].last, Math.max(ranges[i].first, value));
      }
      redraw();
    }

    let playedBy = null, stopped = null, run = 0;
    const pause = () => {
      if (playedBy) stopped();
      playedBy = null;
      run++;
    };
    // Frame by frame until one is the last, another thing is done, or the figure is gone.
    const play = (button, frame, ended = () => {}) => {
      [playedBy, stopped] = [button, ended];
      const mine = ++run;
      let begun;
      const go = (now) => {
        if (run !== mine || !figure.isConnected) return;
        begun = begun || now;
        if (frame(now - begun)) pause();
        else requestAnimationFrame(go);
      };
      requestAnimationFrame(go);
    };

    const handles = each("[data-handle]").map((element, i) => {
      const [panel, x, y, moves, follow] = scene.handles[i];
      return {element, panel: panels[panel], x, y, moves, follow, svg: element.closest(".panel")};
    });
    handles.forEach((handle) => {
      const {element, moves, svg} = handle;
      const mates = handles.filter((other) => other.svg === svg);
      put(svg, {role: "group"});
      // Many points of one panel are one stop of the Tab key.
      const tabindex = mates.length > 4 && mates[0] !== handle ? -1 : 0;
      const {first, last} = ranges[moves[0]];
      put(element, {role: "slider", "aria-valuemin": first, "aria-valuemax": last, tabindex});
      element.addEventListener("keydown", (event) => {
        const key = event.key, next = {PageDown: 1, PageUp: -1}[key];
        if (next && mates.length > 1) {
          const other = mates[(mates.indexOf(handle) + next + mates.length) % mates.length];
          if (mates.length > 4) put(element, {tabindex: -1});
          put(other.element, {tabindex: 0});
          other.element.focus();
        } else if (/^(Arrow|Home$|End$)/.test(key)) {
          const up = moves.length < 2 || handle.panel.y[0] > handle.panel.y[1] ? 1 : -1;
          const i = moves[/Up|Down/.test(key) ? moves.length - 1 : 0];
          const step = ranges[i].step * (event.shiftKey ? 10 : 1);
          const by = {ArrowRight: step, ArrowLeft: -step, ArrowUp: up * step, ArrowDown: -up * step};
          const far = {Home: ranges[i].first, End: ranges[i].last};
          set([[i, key in far ? far[key] : snap(ranges[i], s[i] + by[key])]]);
        } else return;
        event.preventDefault();
      });
    });

    const inPanel = (svg, panel, event) => {
      const point = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(svg.getScreenCTM().inverse());
      return [point.x - panel.left, point.y - panel.top];
    };
    const nearest = (svg, event) => {
      let found = null, least = 28;
      for (const handle of handles.filter((other) => other.svg === svg)) {
        const [x, y] = inPanel(svg, handle.panel, event);
        const [a, b] = place(handle.panel, handle.x, handle.y);
        const distance = Math.hypot(x - a, y - b);
        if (distance < least) [found, least] = [{handle, dx: a - x, dy: b - y}, distance];
      }
      return found;
    };
    for (const svg of new Set(handles.map((handle) => handle.svg))) {
      let held = null;
      svg.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        held = nearest(svg, event);
        if (!held) return;
        pause();
        svg.setPointerCapture(event.pointerId);
        held.handle.element.focus({preventScroll: true});
        event.preventDefault();
      });
      svg.addEventListener("pointermove", (event) => {
        svg.style.cursor = held ? "grabbing" : nearest(svg, event) ? "grab" : "";
        if (!held) return;
        const {handle: {panel, moves, follow}, dx, dy} = held;
        const [x, y] = inPanel(svg, panel, event);
        const [p, q] = [back(panel.x, x + dx), back(panel.y, y + dy)];
        set(follow(p, q, s).map((value, i) => [moves[i], snap(ranges[moves[i]], value)]));
      });
      svg.addEventListener("lostpointercapture", () => { held = null; });
      // The page scrolls under a finger unless it touches a handle.
      svg.addEventListener("touchstart", (event) => {
        if (nearest(svg, event.touches[0])) event.preventDefault();
      }, {passive: false});
    }

    for (const input of each("input")) {
      const i = Number(input.dataset.state);
      input.addEventListener("input", () => {
        pause();
        const value = input.type === "checkbox" ? Number(input.checked) : Number(input.value);
        set([[i, ranges[i].log ? Number((10 ** value).toPrecision(3)) : value]]);
      });
    }
    // Many steps are shown as a motion, or at once to who wants no motion. Pressed again it stops;
    // where a step moves nothing it is at its end, and begins anew.
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    each(".buttons button").forEach((button, i) => button.addEventListener("click", () => {
      const playing = playedBy === button;
      pause();
      if (playing) return;
      const [moves, follow, times, steps] = scene.actions[i];
      const step = () => {
        const before = s.slice();
        set(follow(s).map((value, k) => [moves[k], value]), steps);
        return moves.some((k) => s[k] !== before[k]);
      };
      let done = 0;
      if (!moves) return set(scene.start.map((value, k) => [k, value]));
      if (times < 100) for (; done < times; done++) step();
      else if (step()) done = 1;
      else set(moves.map((k) => [k, scene.start[k]]));
      if (calm.matches) while (done < times && step()) done++;
      else if (done < times) play(button, (gone) => {
        for (const due = Math.min(times, gone / 12); done < due; done++) if (!step()) return true;
        return done === times;
      });
    }));

    // A button plays its slider round and round, and rests on the last step, so that the jump to
    // the first is not taken for motion; for who wants no motion it goes on by one step.
    for (const button of each("[data-play]")) {
      const i = Number(button.dataset.play), {first, last, step, fps} = ranges[i];
      const many = Math.floor((last - first) / step + 1e-9) + 1;
      const rest = Math.round(0.6 * fps);
      const at = () => Math.round((s[i] - first) / step);
      const show = (k) =>
        set([[i, Number((first + k % many * step).toPrecision(12))]], k % many > 0);
      const says = (word) => {
        const name = button.getAttribute("aria-label").replace(/^\S+/, word);
        put(button, {"aria-label": name});
        button.textContent = word;
      };
      const name = () => says(calm.matches ? "Next" : "Play");
      calm.addEventListener("change", () => { pause(); name(); });
      name();
      button.addEventListener("click", () => {
        const playing = playedBy === button;
        pause();
        if (calm.matches) return show(at() + 1);
        if (playing) return;
        says("Pause");
        if (at() === many - 1) show(0);
        const from = at();
        let shown = from;
        play(button, (gone) => {
          const k = Math.min((from + Math.floor(gone / 1000 * fps)) % (many + rest), many - 1);
          if (k !== shown) show(shown = k);
        }, name);
      });
    }

    figure.dataset.ready = "";
    // JupyterLab leaves the arrow keys to the sliders.
    figure.dataset.lmSuppressShortcuts = "";
    each("form, .still").forEach((element) => { element.hidden = !element.hidden; });
    redraw();
    figure.scene = {
      set: (changes) => set(changes),
      state: () => Object.fromEntries(scene.symbols.map((name, i) => [name, s[i]])),
      shown: () => each("[data-value]").map((element) => v[element.dataset.value]),
      at: (mark, x, inside = x) => scene.marks[mark][2](x, inside, s),
    };
  }

  window.lossbook = {
    push(declare) {
      const scene = declare();
      const places = `[data-scene="${scene.name}"]:not([data-ready])`;
      document.querySelectorAll(places).forEach((figure) => start(declare(), figure));
    },
  };
  waiting.forEach(window.lossbook.push);
})();
