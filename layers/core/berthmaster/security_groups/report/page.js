"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const svg = byId("map"), view = byId("view"), above = byId("above"), stage = byId("stage");
  const panel = byId("panel"), shown = byId("shown"), search = byId("search"), found = byId("found");
  const nodes = [...svg.querySelectorAll(".node")];
  const nodeOf = new Map(nodes.map((node) => [node.dataset.node, node]));
  const edgesOf = new Map(nodes.map((node) => [node.dataset.node, []]));
  const ends = new Map();
  for (const edge of svg.querySelectorAll(".groups .edge")) {
    const both = [edge.dataset.from, edge.dataset.to].map((number) => nodes[number].dataset.node);
    ends.set(edge, both);
    for (const end of both) edgesOf.get(end).push(edge);
  }
  const whole = svg.viewBox.baseVal;
  const size = { x: whole.x, y: whole.y, width: whole.width, height: whole.height };

  document.body.classList.add("live");
  byId("tools").hidden = false;
  byId("hint").hidden = false;

  // Zoom and pan move the view inside the drawing, whose viewBox stays as wide as its frame.
  const READABLE = 0.62;
  let scale = 1, x = 0, y = 0;
  const frame = () => svg.getBoundingClientRect();
  const draw = () => {
    view.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    svg.classList.toggle("far-away", scale < READABLE);
  };
  const show = (box) => {
    const { width, height } = frame();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    scale = Math.min(width / box.width, height / box.height, 1.3);
    x = (width - box.width * scale) / 2 - box.x * scale;
    y = (height - box.height * scale) / 2 - box.y * scale;
    draw();
  };
  const zoom = (factor, at) => {
    const next = Math.min(4, Math.max(0.08, scale * factor));
    x = at.x - (at.x - x) * (next / scale);
    y = at.y - (at.y - y) * (next / scale);
    scale = next;
    draw();
  };
  const middle = () => ({ x: frame().width / 2, y: frame().height / 2 });
  const inside = (event) => ({ x: event.clientX - frame().left, y: event.clientY - frame().top });
  const around = (some) => {
    const boxes = some.map((node) => {
      const at = node.transform.baseVal.consolidate().matrix;
      return { x: at.e, y: at.f };
    });
    const left = Math.min(...boxes.map((box) => box.x)) - 60, top = Math.min(...boxes.map((box) => box.y)) - 60;
    const right = Math.max(...boxes.map((box) => box.x)) + 284, bottom = Math.max(...boxes.map((box) => box.y)) + 80;
    return { x: left, y: top, width: right - left, height: bottom - top };
  };

  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), inside(event));
  }, { passive: false });
  svg.addEventListener("dblclick", (event) => zoom(1.6, inside(event)));
  let drag = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0) drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    drag = { x: event.clientX, y: event.clientY, moved: true };
    svg.classList.add("drag");
    x += dx;
    y += dy;
    draw();
  });
  window.addEventListener("pointerup", () => {
    svg.classList.remove("drag");
    if (drag?.moved) window.addEventListener("click", (event) => event.stopPropagation(), { capture: true, once: true });
    drag = null;
  });
  byId("in").onclick = () => zoom(1.4, middle());
  byId("out").onclick = () => zoom(1 / 1.4, middle());
  byId("fit").onclick = () => show(size);

  // One group is selected, with those it talks to.
  let chosen = "";
  const near = (id) => new Set([id, ...edgesOf.get(id).flatMap((edge) => ends.get(edge))]);
  const select = (id) => {
    chosen = nodeOf.has(id) ? id : "";
    svg.classList.toggle("selected", chosen !== "");
    const some = chosen ? near(chosen) : new Set();
    for (const node of nodes) {
      node.classList.toggle("near", some.has(node.dataset.node));
      node.classList.toggle("chosen", node.dataset.node === chosen);
    }
    for (const card of svg.querySelectorAll(".card")) card.classList.toggle("lit", card.querySelector(".near") !== null);
    above.replaceChildren(...(chosen ? edgesOf.get(chosen) : []).map((edge) => {
      const copy = edge.cloneNode(true);
      copy.classList.toggle("from", ends.get(edge)[0] === chosen);
      return copy;
    }));
    const article = chosen && byId(chosen);
    const wasOpen = !panel.hidden;
    panel.hidden = !article;
    if (article) {
      const copy = article.cloneNode(true);
      for (const one of [copy, ...copy.querySelectorAll("[id]")]) one.removeAttribute("id");
      for (const row of copy.querySelectorAll("tbody tr")) {
        row.cells[1].dataset.way = row.cells[0].textContent.startsWith("egress") ? "to" : "from";
      }
      shown.replaceChildren(...copy.childNodes);
      panel.scrollTop = 0;
    }
    if (wasOpen === panel.hidden) refit();
    if (article) reveal([...some].map((one) => nodeOf.get(one)).filter(Boolean));
  };
  const reveal = (some) => {
    const box = around(some), { width, height } = frame();
    const isInside = x + box.x * scale > -60 && y + box.y * scale > -60
      && x + (box.x + box.width) * scale < width + 60 && y + (box.y + box.height) * scale < height + 60;
    if (isInside && scale >= READABLE) return;
    show(box);
    if (scale >= READABLE) return;
    const at = around([nodeOf.get(chosen)]);
    scale = 0.8;
    x = width / 2 - (at.x + at.width / 2) * scale;
    y = height / 2 - (at.y + at.height / 2) * scale;
    draw();
  };
  const refit = () => {
    const { width, height } = frame();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  };
  window.addEventListener("resize", refit);
  svg.addEventListener("click", (event) => {
    const node = event.target.closest(".node");
    const card = event.target.closest(".card");
    event.preventDefault();
    if (!node && card && svg.classList.contains("far-away")) {
      const { x: left, y: top, width, height } = card.querySelector("rect").getBBox();
      show({ x: left - 300, y: top - 150, width: width + 600, height: height + 300 });
      return;
    }
    select(node ? node.dataset.node : "");
  });
  svg.addEventListener("keydown", (event) => {
    const node = event.target.closest(".node");
    if (node && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      select(node.dataset.node);
      shown.focus({ preventScroll: true });
    }
  });
  byId("close").onclick = () => select("");
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape") select("");
  });
  shown.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const id = link?.getAttribute("href").slice(1);
    if (!nodeOf.has(id)) return;
    event.preventDefault();
    select(id);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("section:not(.chart) a[href^='#sg-']");
    const id = link?.getAttribute("href").slice(1);
    if (!id || !nodeOf.has(id)) return;
    event.preventDefault();
    stage.scrollIntoView({ block: "nearest" });
    select(id);
  });

  // The search looks into all that is said of a group, and into the rows of the tables.
  const textOf = new Map(nodes.map((node) => {
    const article = byId(node.dataset.node);
    return [node, `${node.dataset.node} ${article ? article.textContent : node.textContent}`.toLowerCase()];
  }));
  const rows = [...document.querySelectorAll("main > section:not(.chart):not(#groups) tbody tr")];
  const textOfRow = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const vpc = byId("vpc").value, has = byId("filter").value;
    const isOn = words.length > 0 || vpc !== "" || has !== "";
    const hits = nodes.filter((node) => (!vpc || node.dataset.vpc === vpc)
      && (!has || (node.dataset.has ?? "").split(" ").includes(has))
      && words.every((word) => textOf.get(node).includes(word)));
    svg.classList.toggle("searched", isOn);
    for (const node of nodes) node.classList.remove("hit");
    if (isOn) for (const node of hits) node.classList.add("hit");
    const groups = (some) => some.filter((node) => node.dataset.vpc !== undefined).length;
    found.textContent = isOn ? `${groups(hits)} of ${groups(nodes)} groups` : "";
    for (const row of rows) row.classList.toggle("away", !words.every((word) => textOfRow.get(row).includes(word)));
    return isOn ? hits : [];
  };
  const focus = () => {
    const hits = apply();
    show(hits.length ? around(hits) : size);
  };
  search.oninput = apply;
  byId("vpc").onchange = focus;
  byId("filter").onchange = apply;
  byId("lines").onchange = (event) => {
    svg.classList.remove("lines-groups", "lines-none");
    if (event.target.value !== "cards") svg.classList.add(`lines-${event.target.value}`);
  };
  byId("tools").onsubmit = (event) => {
    event.preventDefault();
    focus();
  };

  stage.style.height = `${Math.max(480, Math.min(innerHeight * 0.78, (stage.clientWidth * size.height) / size.width))}px`;
  byId("lines").dispatchEvent(new Event("change"));
  show(size);
  if (nodeOf.has(location.hash.slice(1))) {
    select(location.hash.slice(1));
    window.addEventListener("load", () => requestAnimationFrame(() => stage.scrollIntoView({ block: "center" })));
  }
})();
