//! Microsoft's documents that the project was started from, each as a topology of its own: the names and addresses that
//! a document prints, asked from every kind of client.

mod data_explorer;
