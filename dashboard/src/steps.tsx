// Where a reader is in a sequence of steps.

export function Steps({ label, titles, at }: { label: string; titles: readonly string[]; at: number }) {
  return (
    <ol className="steps" aria-label={label}>
      {titles.map((title, index) => (
        <li key={title} aria-current={index === at ? "step" : undefined} data-done={index < at || undefined}>
          <span>{index + 1}</span> {title}
        </li>
      ))}
    </ol>
  );
}
