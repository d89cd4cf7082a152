//! Reports: pages, tables and pictures made from records and nothing else.
