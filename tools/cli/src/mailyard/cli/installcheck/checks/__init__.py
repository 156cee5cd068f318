"""Pure decisions on facts, one file per area: values in, findings out."""
