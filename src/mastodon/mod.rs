//! Mastodon: its secrets and the values of its chart.
