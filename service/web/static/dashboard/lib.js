// The vendored libraries, which the page has loaded before: one place knows how they are reached.
const { h, render, Fragment, createRef } = window.preact;
const { useEffect, useLayoutEffect, useRef, useState, useMemo, useCallback } = window.preactHooks;
const { signal, computed, effect, batch } = window.preactSignals;
const html = window.htm.bind(h);
const UPlot = window.uPlot;

export {
  h, html, render, Fragment, createRef, useEffect, useLayoutEffect, useRef, useState, useMemo, useCallback,
  signal, computed, effect, batch, UPlot,
};
