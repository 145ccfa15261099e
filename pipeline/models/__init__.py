"""Model families: what is particular to each, and the verbs that all of them share."""
