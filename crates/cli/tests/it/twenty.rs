//! Twenty mistakes, twenty findings.
