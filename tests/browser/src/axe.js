// After the source of axe-core.
axe.run(document, { preload: false, resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, help, nodes }) => `${id}: ${help}, ${nodes.length} times: ${nodes[0].html.slice(0, 160)}; ${nodes[0].failureSummary.replace(/\s+/g, " ").slice(0, 200)}`))
