"""The factor scan: one thing at a time is changed in real items, and a classifier is asked what it says now."""
