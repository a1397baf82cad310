"""The quiz page of an audit."""
