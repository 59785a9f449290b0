"""What scheduling 1,000,000 partitions costs, on paper: events per partition over the measured rates of writing them."""

from rich.console import Console
from rich.table import Table

PARTITIONS = 1_000_000
EVENTS = {"one run per partition": 12, "200 partitions per run": 1 + 12 / 200}
"""Events written per partition: its materialisation, and its share of the run's own dozen."""
RATES = {"SQLite on a disk": 14, "SQLite on tmpfs": 92, "Postgres": 17, "Postgres, batches of 100": 56}
"""Events per second, measured on 2 cores with a slow disk (the middle of what was seen): read them as ratios."""


def main(small: bool = False) -> None:
    """Print hours of event writing per storage and per way to bundle partitions; `small` changes nothing, since nothing is run."""
    table = Table("storage", "bundling", "events", "writing", title=f"Scheduling {PARTITIONS:,} partitions, on paper")
    for storage, rate in RATES.items():
        for bundle, events in EVENTS.items():
            table.add_row(storage, bundle, f"{PARTITIONS * events / 1e6:.2f} M", f"{PARTITIONS * events / rate / 3600:,.0f} h")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
